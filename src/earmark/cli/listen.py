"""``earmark listen``: recognise a microphone stream."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earmark.cli.output import complain
from earmark.errors import DataError, UsageError
from earmark.text import counted, percent

if TYPE_CHECKING:
    from rich.table import Table

    from earmark.live import Listener, Source, Update

_REFRESH_HZ = 10
_BAR = 30
_QUIET_DB = -60.0
_MUTED_S = 60.0
_MUTED = "only silence for a minute; is the microphone muted, or the wrong one? see --devices"


def listen(
    *,
    model: Annotated[str, typer.Option("--model", help="A name, an .onnx file, or the folder of a run.")] = "notes",
    device: Annotated[str | None, typer.Option("--device", help="Microphone: number or part of its name.")] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1000, help="Samples a second; the device's own by default.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--input", help="Play a file instead of a microphone.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="With --input: do not wait for real time.")] = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Stop after so long.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Also save the sound: .wav, .flac or .ogg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for every answer.")] = False,
    clean: Annotated[bool, typer.Option("--denoise", help="Remove noise; the first second is only noise.")] = False,
    noise: Annotated[Path | None, typer.Option("--noise", help="A recording of the noise to remove.")] = None,
    hop_s: Annotated[float | None, typer.Option("--hop-s", help="Seconds between answers; at most 0.25.")] = None,
    gate_db: Annotated[float, typer.Option("--gate-db", help="Quieter windows are silence.")] = -60.0,
    force: Annotated[bool, typer.Option("--force", help="Give the best label instead of 'unknown'.")] = False,
    list_devices: Annotated[bool, typer.Option("--devices", help="List the microphones and stop.")] = False,
) -> None:
    """Recognise sound from a microphone as it comes.

    With --input a file takes the place of the microphone. Stop with Ctrl-C.
    """
    from earmark.live import DenoiseConfig, ListenConfig, Listener, devices
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
    _listen(source, listener, show=show, seconds=seconds, save=save)


def _source(file: Path | None, device: str | None, *, rate: int | None, fast: bool) -> Source:
    from earmark.live import FileSource, Microphone

    if file is not None:
        return FileSource(file, real_time=not fast)
    return Microphone(int(device) if device is not None and device.isdigit() else device, sample_rate_hz=rate)


def _listen(source: Source, listener: Listener, *, show: _Lines, seconds: float | None, save: Path | None) -> None:
    """Feed the listener until the stream ends or is stopped; whatever ends it, what was heard is kept."""
    from earmark.live import recording

    n_left = None if seconds is None else round(seconds * source.sample_rate_hz)
    failure: DataError | None = None
    with ExitStack() as stack:
        record = stack.enter_context(recording(save, source.sample_rate_hz))
        stack.enter_context(show)
        try:
            for chunk in source.chunks():
                samples = chunk.samples[:n_left]
                record(samples)
                show.take(listener.feed(samples, arrived_s=chunk.arrived_s))
                n_left = None if n_left is None else n_left - len(samples)
                if n_left is not None and n_left <= 0:
                    break
        except KeyboardInterrupt:
            show.note = "stopped"
        except DataError as error:
            failure = error
        try:
            show.take(listener.finish())
        except DataError as error:
            failure = failure or error
    if failure is not None:
        raise failure


class _Lines:
    """Prints a line for every update, and a summary on stderr."""

    as_json = False
    note = ""

    def __init__(self, source: Source, listener: Listener) -> None:
        self.source, self.listener = source, listener
        self.latencies_s: list[float] = []
        self.n_updates, self._silent_since_s, self._warned = 0, 0.0, False

    def __enter__(self) -> None:
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        complain(self.summary())

    def take(self, updates: list[Update]) -> None:
        for update in updates:
            self.n_updates += 1
            if update.latency_s is not None:
                self.latencies_s.append(update.latency_s)
            if update.top:
                self._silent_since_s = update.end_s
            if update.end_s - self._silent_since_s >= _MUTED_S and not self._warned:
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
            print(
                f"{update.end_s:8.2f} s  {update.level_db:6.1f} dB  {update.answer.label} {share}".rstrip(), flush=True
            )

    def summary(self) -> str:
        """Say how long was listened, how late the answers were, what it took, and what was lost."""
        elapsed_s = max(time.monotonic() - self._began_s, 1e-9)
        share = (time.process_time() - self._began_cpu_s) / elapsed_s
        latencies_s = sorted(self.latencies_s)
        late = (
            f", latency {latencies_s[len(latencies_s) // 2] * 1000:.0f} ms, {latencies_s[-1] * 1000:.0f} ms at worst"
            if latencies_s
            else ""
        )
        return (
            f"heard {self.listener.heard_s:.1f} s of {self.source.name} in {elapsed_s:.1f} s:"
            f" {counted(self.n_updates, 'answer')}{late}; {percent(share)} of one core;"
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
            table.add_row("answer", f"[bold]{self._last.answer.label}[/bold]", _facts(self._last))
            for answer in self._last.top:
                table.add_row(answer.label, _bar(answer.confidence), percent(answer.confidence))
        lost = f"{counted(self.source.n_dropped, 'buffer')} dropped, {self.listener.n_skipped} skipped"
        table.add_row("", lost, self.note)
        return table


def _bar(share: float) -> str:
    n_full = round(min(max(share, 0.0), 1.0) * _BAR)
    return "█" * n_full + "·" * (_BAR - n_full)


def _facts(update: Update) -> str:
    details: dict[str, Any] = update.answer.details
    pitch = f"{details['hz']} Hz  " if "hz" in details else ""
    return pitch + (f"{update.latency_s * 1000:.0f} ms" if update.latency_s is not None else "")
