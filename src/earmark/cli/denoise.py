"""``earmark denoise``: remove steady noise from a sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def denoise(
    source: Annotated[Path, typer.Argument(help="A sound file.")],
    out: Annotated[Path, typer.Argument(help="The result: .wav, .flac or .ogg.")],
    *,
    noise: Annotated[
        Path | None,
        typer.Option(
            "--noise", help="A recording of the noise alone; by default the beginning of SOURCE is the noise."
        ),
    ] = None,
    noise_s: Annotated[
        float | None, typer.Option("--noise-s", help="Seconds at the beginning that hold only noise; 1 by default.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option("--strength", help="Factor by which the noise is subtracted; 3 by default.")
    ] = None,
    floor: Annotated[
        float | None, typer.Option("--floor", help="Share of the sound that always stays; 0.05 by default.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw noisy, estimated noise and clean spectrograms (.png, .svg).")
    ] = None,
) -> None:
    """Remove steady noise (hum, hiss, a fan) from a sound file.

    The method is spectral subtraction.
    """
    from earmark.live import DenoiseConfig, denoise_file
    from earmark.live.denoise_file import removed_db

    given = {"noise_s": noise_s, "over_subtraction": strength, "floor": floor}
    config = DenoiseConfig.parse(
        {key: value for key, value in given.items() if value is not None}, where="earmark denoise"
    )
    duration_s = denoise_file(source, out, config=config, noise=noise, plot=plot)
    print(f"{out}: {duration_s:.2f} s, {removed_db(source, out):.1f} dB taken away")
    if plot is not None:
        print(f"{plot}: spectrograms")
