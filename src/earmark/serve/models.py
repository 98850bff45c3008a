"""Model store of a service: recognizers by name, each behind a batching session."""

from __future__ import annotations

import logging
import re
import tempfile
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from earmark.errors import EarmarkError, ModelError, UsageError, did_you_mean
from earmark.recognizer import Card, Recognizer, find
from earmark.recognizer.file import card_of, open_session
from earmark.serve.batching import BatchingSession
from earmark.serve.event_loop_batcher import EventLoopBatcher
from earmark.serve.metrics import Metrics
from earmark.serve.problems import Problem

log = logging.getLogger(__name__)

Stamp: TypeAlias = tuple[int, int, int]

_NAME = re.compile(r"[\w.-]{1,64}")

_OTHER_FILE = re.compile(rb"[\x00\x08]location")
"""The key, behind the last byte of its length however long that is written, of values that lie in some other file."""


@dataclass(frozen=True)
class Served:
    """A recognizer at work.

    Attributes
    ----------
    recognizer
        Answers requests of any size, from threads.
    batcher
        Answers small requests, from the event loop.
    session
        Of both.
    """

    recognizer: Recognizer
    batcher: EventLoopBatcher
    session: BatchingSession


@dataclass
class _Source:
    """The file behind a name, as it was when it was last looked at and when it was last loaded."""

    path: Path
    seen: Stamp | None
    loaded: Stamp | None


class Models:
    """Recognizers by the name they are served under; a file that is replaced is loaded anew, see `reload_changed`.

    Parameters
    ----------
    files
        Name to recognizer file.
    n_threads
        CPU threads of every network.
    metrics
        Counts the batches.
    n_own
        Most files that people may upload later.

    Raises
    ------
    ModelError
        When one of the files is not a recognizer.
    """

    def __init__(self, files: Mapping[str, Path], *, metrics: Metrics, n_threads: int = 1, n_own: int = 0) -> None:
        self._metrics, self._n_threads = metrics, n_threads
        self._n_most, self._n_own = len(files) + n_own, n_own
        self._changing = threading.Lock()
        self._served: dict[str, Served] = {}
        self._sources: list[tuple[str, _Source]] = []
        for name, path in files.items():
            stamp = _stamp(path)
            self._served[name] = self._load(name, path)
            self._sources.append((name, _Source(path, stamp, stamp)))

    def _load(self, name: str, path: Path) -> Served:
        session = open_session(path, n_threads=self._n_threads)
        card = card_of(session, where=path)
        batching = BatchingSession(session, on_batch=self._metrics.windows.labels(name).observe)
        recognizer = Recognizer(batching, card)
        # Requests and streams that have begun keep their recognizer; its thread ends with the last of them.
        weakref.finalize(recognizer, batching.finish)
        return Served(recognizer, EventLoopBatcher(recognizer, batching), batching)

    def reload_changed(self) -> None:
        """Load the files anew that were replaced since they were loaded, and are no longer being written.

        What has begun is answered by the recognizer that it began with. A file that is no recognizer leaves the one
        before in service, with a warning in the log.
        """
        for name, source in self._sources:
            stamp, before = _stamp(source.path), source.seen
            source.seen = stamp
            if stamp in {None, source.loaded} or stamp != before:
                continue
            source.loaded = stamp
            try:
                self._served[name] = self._load(name, source.path)
            except EarmarkError as error:
                log.warning("%s: the file was replaced, and the recognizer before goes on, because %s", name, error)
                self._metrics.reloads.labels(name, "refused").inc()
            else:
                log.info("%s: the file was replaced; requests from now on are answered by the new one", name)
                self._metrics.reloads.labels(name, "loaded").inc()

    @property
    def takes_own(self) -> bool:
        """Whether people may upload recognizer files."""
        return self._n_own > 0

    def bring(self, name: str, file: bytes) -> None:
        """Serve an uploaded recognizer file under a name, until the service stops.

        Raises
        ------
        Problem
            403 when no files are taken, 409 when the name is taken or there are enough, 422 for a bad name or file.
        """
        if not self.takes_own:
            raise Problem(403, "this service takes no uploaded models; start it with --limit n_own_models=4")
        if not _NAME.fullmatch(name):
            raise Problem(422, f"the name {name[:80]!r} will not do; give up to 64 letters, digits, dots, - and _")
        with self._changing:
            if name in self._served:
                raise Problem(409, f"there is a model {name!r} already; give another name")
            if len(self._served) >= self._n_most:
                raise Problem(409, f"{self._n_own} models were uploaded, which is the most; use one of them")
            self._bring(name, file)

    def _bring(self, name: str, file: bytes) -> None:
        if _OTHER_FILE.search(file):
            raise Problem(422, f"{name}: keeps its weights in another file; send one that holds everything")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            path.write_bytes(file)
            try:
                self._served[name] = self._load(name, path)
            except ModelError as error:
                raise Problem(422, str(error).replace(str(path), name)) from error

    def __getitem__(self, name: str) -> Served:
        served = self._served.get(name)
        if served is None:
            known = ", ".join(self._served)
            raise Problem(404, f"there is no model {name!r} here{did_you_mean(name, self._served)}; known: {known}")
        return served

    def cards(self) -> dict[str, Card]:
        """Return the card of every model."""
        return {name: served.recognizer.card for name, served in self._served.items()}

    def close(self) -> None:
        """Finish what waits in the batches."""
        for served in self._served.values():
            served.session.close()


def _stamp(path: Path) -> Stamp | None:
    """Return what changes when a file is replaced; None while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def model_files(given: Iterable[str]) -> dict[str, Path]:
    """Return name to file for arguments ``NAME``, ``PATH`` or ``NAME=PATH``.

    Raises
    ------
    UsageError, ModelError
        When a name is given twice, or there is no such recognizer.
    """
    files: dict[str, Path] = {}
    for argument in given:
        name, equals, source = argument.partition("=")
        path = find(source if equals else argument)
        name = name if equals else _name_of(argument, path)
        if name in files or not name:
            raise UsageError(f"{argument}: the name {name!r} is empty or taken; give each model a name: NAME=PATH")
        files[name] = path
    return files


def _name_of(argument: str, path: Path) -> str:
    """Return what a file is called: its stem, or for a run the name of the folder."""
    given = Path(argument)
    return given.name if given.is_dir() else path.stem


def summary(card: Card) -> dict[str, Any]:
    """Return what a client needs to know about a model."""
    return {
        "about": card.about,
        "task": card.task,
        "target": card.target,
        "domain": card.features.domain,
        "labels": list(card.labels),
        "window_s": card.window.length_s if card.window else None,
        "scores": [score.model_dump(mode="json") for score in card.scores],
        "limits": list(card.limits),
        "licence": card.licence,
    }
