"""``earmark listen``: recognise a microphone stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.keyboard import keyboard
from earmark.cli.output import complain
from earmark.errors import UsageError
from earmark.text import counted, percent, printable

if TYPE_CHECKING:
    from rich.table import Table

    from earmark.live import Listener, Source, Update
    from earmark.types import Answer

_REFRESH_HZ = 10
_BAR = 30
_QUIET_DB = -60.0
_MUTED = "only silence for a minute; is the microphone muted, or the wrong one? see --devices"


def listen(
    *,
    model: Annotated[str, typer.Option("--model", help="A name, an .onnx file, or the folder of a run.")] = "notes",
    device: Annotated[
        str | None, typer.Option("--device", help="Number of the microphone, or part of its name.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1000, help="Sample rate in hertz; by default that of the device.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--input", help="Play a file instead of a microphone.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="With --input: do not wait for real time.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Stop after so many seconds.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Also save the sound: .wav, .flac or .ogg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for every answer.")] = False,
    clean: Annotated[bool, typer.Option("--denoise", help="Remove noise; the first second is only noise.")] = False,
    noise: Annotated[Path | None, typer.Option("--noise", help="A recording of the noise to remove.")] = None,
    hop_s: Annotated[float | None, typer.Option("--hop-s", help="Seconds between answers; at most 0.25.")] = None,
    gate_db: Annotated[
        float, typer.Option("--gate-db", help="Level in dB below which a window counts as silence.")
    ] = -60.0,
    force: Annotated[bool, typer.Option("--force", help="Give the best label instead of 'unknown'.")] = False,
    list_devices: Annotated[bool, typer.Option("--devices", help="List the microphones and stop.")] = False,
) -> None:
    """Recognise sound from a microphone, live.

    With --input a file takes the place of the microphone. Stop with Ctrl-C.
    """
    from earmark.live import DenoiseConfig, ListenConfig, Listener, devices, run_session
    from earmark.recognizer import load
    from earmark.sound import read

    if list_devices:
        print("\n".join(devices()) or "no microphone")
        return
    if file is None and fast:
        raise UsageError("--fast is for files; give one with --input, or leave it out")
    config = ListenConfig.parse(
        {"hop_s": hop_s, "gate_db": gate_db, "force": force, "denoise": DenoiseConfig() if clean or noise else None},
        where="earmark listen",
    )
    recognizer = load(model)
    source = _source(file, device, rate=rate, fast=fast)
    listener = Listener(
        recognizer,
        source.sample_rate_hz,
        config=config,
        noise=read(noise) if noise else None,
        skip_late=not fast,
    )
    show = _Lines(source, listener) if as_json or not sys.stdout.isatty() else _Screen(source, listener)
    show.as_json = as_json
    with show:
        run_session(source, listener, on_updates=show.take, seconds=seconds, save=save)


def _source(file: Path | None, device: str | None, *, rate: int | None, fast: bool) -> Source:
    from earmark.live import FileSource, Microphone

    if file is not None:
        return FileSource(file, real_time=not fast)
    return Microphone(int(device) if device is not None and device.isdigit() else device, sample_rate_hz=rate)


class _Lines:
    """Prints a line for every update, and a summary on stderr."""

    as_json = False
    note = ""

    def __init__(self, source: Source, listener: Listener) -> None:
        from earmark.live import SessionStats

        self.source, self.listener, self.stats = source, listener, SessionStats()
        self._warned = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        complain(self.summary())

    def take(self, updates: Sequence[Update]) -> None:
        for update in updates:
            self.stats.add(update)
            if self.stats.is_muted(update.end_s) and not self._warned:
                self._warned = True
                self.warn(_MUTED)
            self.show(update)

    def warn(self, sentence: str) -> None:
        complain(sentence)

    def show(self, update: Update) -> None:
        if self.as_json:
            lost = {"n_dropped": self.source.n_dropped, "n_skipped": self.listener.n_skipped}
            print(json.dumps({**update.as_dict(), **lost}, ensure_ascii=False), flush=True)
        else:
            share = percent(update.answer.confidence) if update.top else ""
            said = f"{update.answer.label} {share}"
            if update.labels:
                said = _keys_text(update) if update.sounding is not None else _labels_text(update.labels)
            print(f"{update.end_s:8.2f} s  {update.level_db:6.1f} dB  {printable(said)}".rstrip(), flush=True)

    def summary(self) -> str:
        """Say the answer to the whole, how long was listened, how late the answers were, and what was lost."""
        stats, latency_s = self.stats, self.stats.latency_s
        whole = f"all of it: {stats.whole[0]} {percent(stats.whole[1])}; " if stats.whole else ""
        removed_db = self.listener.removed_db
        whole += "" if removed_db is None else f"noise removal took {removed_db:.1f} dB away; "
        late = f", latency {latency_s[0] * 1000:.0f} ms, {latency_s[1] * 1000:.0f} ms at worst" if latency_s else ""
        return (
            f"{whole}heard {self.listener.heard_s:.1f} s of {self.source.name} in {stats.elapsed_s:.1f} s:"
            f" {counted(stats.n_updates, 'answer')}{late}; {percent(stats.cpu_share)} of one core;"
            f" {counted(self.source.n_dropped, 'buffer')} dropped, {counted(self.listener.n_skipped, 'window')} skipped"
        )


class _Screen(_Lines):
    """Draws the level and the answers over and over in one place."""

    def __init__(self, source: Source, listener: Listener) -> None:
        super().__init__(source, listener)
        from rich.live import Live

        self._last: Update | None = None
        self._live = Live(refresh_per_second=_REFRESH_HZ, get_renderable=self._drawing)

    def __enter__(self) -> None:
        super().__enter__()
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        complain(self.summary())

    def warn(self, sentence: str) -> None:
        self.note = sentence

    def show(self, update: Update) -> None:
        self._last = update

    def _drawing(self) -> Table:
        from rich.table import Table

        level_db = self.listener.level_db
        table = Table.grid(padding=(0, 1))
        table.add_row("level", _bar(1 - level_db / _QUIET_DB), f"{level_db:.0f} dB")
        if self._last is None:
            table.add_row("answer", "", f"{self.listener.heard_s:.1f} s heard")
        else:
            table.add_row("answer", f"[bold]{_said(self._last)}[/bold]", _facts(self._last))
            if self._last.sounding is not None:
                table.add_row("keys", keyboard({key.midi for key in self._last.sounding}))
            for answer in self._last.top:
                table.add_row(answer.label, _bar(answer.confidence), percent(answer.confidence))
        lost = f"{counted(self.source.n_dropped, 'buffer')} dropped, {self.listener.n_skipped} skipped"
        table.add_row("", lost, self.note)
        return table


def _said(update: Update) -> str:
    if update.labels is not None and update.sounding:
        return (f"{update.chord.name}: " if update.chord else "") + " ".join(key.name for key in update.sounding)
    return ", ".join(answer.label for answer in update.labels or (update.answer,))


def _keys_text(update: Update) -> str:
    """Return the keys that sound, from the lowest up, after the name of their chord; or that there are none."""
    keys = ", ".join(f"{key.name} {percent(key.confidence)}" for key in update.sounding or ())
    return (f"{update.chord.name}: " if update.chord else "") + (keys or "no key")


def _labels_text(labels: Sequence[Answer]) -> str:
    return ", ".join(f"{answer.label} {percent(answer.confidence)}" for answer in labels)


def _bar(share: float) -> str:
    n_full = round(min(max(share, 0.0), 1.0) * _BAR)
    return "█" * n_full + "·" * (_BAR - n_full)


def _facts(update: Update) -> str:
    details: dict[str, Any] = update.answer.details
    pitch = f"{details['hz']} Hz  " if "hz" in details and not update.labels else ""
    return pitch + (f"{update.latency_s * 1000:.0f} ms" if update.latency_s is not None else "")
