"""The recognizers of a service, each behind a session that batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import UsageError, did_you_mean
from earmark.recognizer import Card, Recognizer, find
from earmark.recognizer.file import card_of, open_session
from earmark.serve.batching import BatchingSession
from earmark.serve.metrics import Metrics
from earmark.serve.problems import Problem
from earmark.serve.together import Together


class Models:
    """Recognizers by the name they are served under.

    Parameters
    ----------
    files
        Name to recognizer file.
    n_threads
        CPU threads of every network.
    metrics
        Counts the batches.

    Attributes
    ----------
    together
        By name, what answers small requests.

    Raises
    ------
    ModelError
        When one of the files is not a recognizer.
    """

    def __init__(self, files: Mapping[str, Path], *, metrics: Metrics, n_threads: int = 1) -> None:
        self._recognizers: dict[str, Recognizer] = {}
        self._sessions: list[BatchingSession] = []
        self.together: dict[str, Together] = {}
        for name, path in files.items():
            session = open_session(path, n_threads=n_threads)
            batching = BatchingSession(session, on_batch=metrics.windows.labels(name).observe)
            self._recognizers[name] = Recognizer(batching, card_of(session, where=path))
            self.together[name] = Together(self._recognizers[name], batching)
            self._sessions.append(batching)

    def __getitem__(self, name: str) -> Recognizer:
        recognizer = self._recognizers.get(name)
        if recognizer is None:
            known = ", ".join(self._recognizers)
            raise Problem(
                404, f"there is no model {name!r} here{did_you_mean(name, self._recognizers)}; known: {known}"
            )
        return recognizer

    def cards(self) -> dict[str, Card]:
        """Return the card of every model."""
        return {name: recognizer.card for name, recognizer in self._recognizers.items()}

    def close(self) -> None:
        """Finish what waits in the batches."""
        for session in self._sessions:
            session.close()


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
        "domain": card.features.domain,
        "labels": list(card.labels),
        "window_s": card.window.length_s if card.window else None,
        "scores": [score.model_dump(mode="json") for score in card.scores],
        "limits": list(card.limits),
        "licence": card.licence,
    }
