"""Find and load recognizers: by the name of a built-in one, by file, or by the folder of a run."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from earmark.errors import ModelError, did_you_mean
from earmark.recognizer.recognizer import Recognizer
from earmark.storage import as_path, refuse_unreachable

RUN_MODEL = "model.onnx"


def zoo() -> dict[str, Path]:
    """Return the shipped recognizers, name to file."""
    folder = resources.files("earmark").joinpath("zoo")
    if not folder.is_dir():
        return {}
    files = (Path(str(item)) for item in folder.iterdir() if item.name.endswith(".onnx"))
    return {file.stem: file for file in sorted(files)}


def find(model: str | Path) -> Path:
    """Return the recognizer file that `model` means: a name from the zoo, an ``.onnx`` file, or the folder of a run.

    A bare name of the zoo wins over a file or folder that is called the same; write ``./notes`` for the folder.

    Raises
    ------
    ModelError
        When there is no such name, file or folder, or the run has no recognizer yet.
    """
    shipped = zoo()
    if isinstance(model, str) and model in shipped:
        return shipped[model]
    path = as_path(model)
    refuse_unreachable(path)
    if path.is_dir():
        if not (path / RUN_MODEL).is_file():
            raise ModelError(
                f"{path}: a folder without {RUN_MODEL}; give the folder of a finished run, an .onnx file, or one of"
                f" the built-in names: {', '.join(shipped)}"
            )
        return path / RUN_MODEL
    if path.is_file():
        return path
    known = ", ".join(shipped) or "none is installed"
    raise ModelError(
        f"there is no recognizer called {str(model)!r}{did_you_mean(str(model), shipped)}; give a built-in name"
        f" ({known}), an .onnx file or the folder of a run"
    )


def load(model: str | Path, *, n_threads: int = 1) -> Recognizer:
    """Load a recognizer.

    Parameters
    ----------
    model
        A name from the zoo (``"genre"``, ``"notes"``, ``"symbols"``, ``"tags"``), an ``.onnx`` file or a run folder.
    n_threads
        CPU threads that one prediction may use.

    Raises
    ------
    ModelError
        When there is no such recognizer, or the file is not one.

    Examples
    --------
    >>> import earmark
    >>> earmark.load("notes").predict("key.mp3").label  # doctest: +SKIP
    'A4'
    """
    return Recognizer.load(find(model), n_threads=n_threads)
