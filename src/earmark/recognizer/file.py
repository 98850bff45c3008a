"""The recognizer file: find and open one, read its card, refuse everything that is not one.

Nothing here unpickles: a file is handed to ONNX Runtime, and its metadata is JSON.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.errors import ConfigError, EarmarkError, ModelError, did_you_mean, refusing
from earmark.features import SoundFeatures
from earmark.recognizer.card import FAMILIARITY, FORMAT_VERSION, METADATA_KEY, Card
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS
from earmark.storage import as_path, is_remote, open_binary, refuse_unreachable, why
from earmark.text import encodable

RUN_MODEL = "model.onnx"

NEXT = "next_"
"""Prefix of the outputs that give the new state of a causal network; its inputs have the same names without it."""

_ONLY_FATAL = 4
_NEW_KEYS = {
    "foreign": "ood_kinds",
    "declines": "false_rejection_rate",
    "measured": "ood_scores",
    "declined": "rejected",
}
"""Keys of `Rejection` and `OodScore` in format 1, and what they are called since format 2."""
_ADVICE = "give an .onnx file written by 'earmark train', the folder of a run, or a name from 'earmark models'"


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


def open_session(path: Path | bytes, *, n_threads: int = 1) -> Any:
    """Return an ``onnxruntime.InferenceSession`` over the file at `path`, or over its content.

    Raises
    ------
    ModelError
        When the file is missing, empty, or no ONNX model.
    """
    import onnxruntime as ort

    if not isinstance(path, bytes):
        _refuse_other_formats(path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    # What goes wrong is raised; the log would only repeat it on stderr.
    options.log_severity_level = _ONLY_FATAL
    with refusing(lambda _: _damaged("the recognizer" if isinstance(path, bytes) else path)):
        model = path if isinstance(path, bytes) else str(path)
        if not isinstance(path, bytes) and (is_remote(path) or encodable(str(path)) != str(path)):
            # ONNX Runtime opens local files alone, and only those whose names are text.
            with open_binary(path) as stream:
                model = stream.read()
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _damaged(where: Path | str) -> ModelError:
    return ModelError(f"{where}: not a readable ONNX model (damaged, or another format); {_ADVICE}")


def session_errors() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises when it cannot run a graph; its errors have no base of their own.

    `ValueError` has two reasons: inputs that its wrapper misses, and a message about a damaged graph that is no UTF-8.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

    return (
        ort_errors.EPFail,
        ort_errors.Fail,
        ort_errors.InvalidArgument,
        ort_errors.InvalidGraph,
        ort_errors.InvalidProtobuf,
        ort_errors.NoModel,
        ort_errors.NoSuchFile,
        ort_errors.NotImplemented,
        ort_errors.RuntimeException,
        MemoryError,
        ValueError,
    )


def card_of(session: Any, *, where: Path | str) -> Card:
    """Return the card inside an open model.

    Raises
    ------
    ModelError
        When there is none, it was written by a newer Earmark, or it does not fit the graph.
    """
    # Names and metadata are decoded as they are asked for, and in a damaged file they may be no UTF-8.
    with refusing(lambda _: _damaged(where)):
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        names = {item.name for item in (*session.get_inputs(), *session.get_overridable_initializers())}
        shapes = {output.name: output.shape for output in session.get_outputs()}
    if text is None:
        raise ModelError(
            f"{where}: an ONNX model, but not a recognizer (it has no {METADATA_KEY!r} metadata); {_ADVICE}"
        )
    card = parse_card(text, where=where)
    needed = {"features", "samples"} if isinstance(card.features, SoundFeatures) else {"features"}
    n_logits = shapes["logits"][-1] if shapes.get("logits") else 0
    promised = {*([FAMILIARITY] * card.has_detector), *(FRAME_OUTPUTS if card.frames else ())}
    wrong_logits = isinstance(n_logits, int) and n_logits != len(card.labels)
    if not needed <= names or wrong_logits or not promised <= shapes.keys():
        raise ModelError(
            f"{where}: the graph does not fit its card (inputs {sorted(names)}, outputs {shapes},"
            f" {len(card.labels)} labels); train or export the recognizer again"
        )
    return card


def parse_card(text: str, *, where: Path | str) -> Card:
    """Return the card written as JSON in `text`, of format 1 or 2; raise `ModelError` when it is damaged or newer."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f"{where}: the metadata of the recognizer is damaged ({error}); fetch the file again"
        ) from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(
            f"{where}: recognizer format {version} is newer than this Earmark, which reads formats up to"
            f" {FORMAT_VERSION}; upgrade with: pip install --upgrade earmark"
        )
    if version not in (1, FORMAT_VERSION):
        raise ModelError(
            f"{where}: recognizer format {version!r} is not one that this Earmark reads (1 to {FORMAT_VERSION});"
            " train or export the recognizer again"
        )
    try:
        return Card.parse(_upgraded(values) if version == 1 else values, where=str(where))
    except ConfigError as error:
        raise ModelError(f"{error}; the recognizer was made by another Earmark or is damaged") from error
    except EarmarkError as error:
        raise ModelError(f"{where}: {error}; the recognizer was made by another Earmark or is damaged") from error


def _upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card of format 1 with the keys of format 2; `Card.format_version` still says how the graph is named."""
    scores = card.get("scores")
    if isinstance(scores, list):
        # "valid part" reads as "faultless part".
        protocols = [str(score.get("protocol", "")).replace(" valid part", " validation part") for score in scores]
        scores = [{**score, "protocol": protocol} for score, protocol in zip(scores, protocols, strict=True)]
        card = {**card, "scores": scores}
    rejection = card.get("rejection")
    if not isinstance(rejection, dict):
        return card
    rejection = {_NEW_KEYS.get(key, key): value for key, value in rejection.items()}
    scores = rejection.get("ood_scores", ())
    rejection["ood_scores"] = [{_NEW_KEYS.get(key, key): value for key, value in score.items()} for score in scores]
    return {**card, "rejection": rejection}


def _refuse_other_formats(path: Path) -> None:
    """Raise `ModelError` for what is recognisably not ONNX, so that the sentence can say what it is."""
    try:
        with open_binary(path) as stream:
            start = stream.read(4)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; {_ADVICE}") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({why(error)}); {_ADVICE}") from error
    if not start:
        raise ModelError(f"{path}: the file is empty; {_ADVICE}")
    if start[:2] == b"PK" or start[:1] == b"\x80":
        raise ModelError(f"{path}: a pickled or zipped checkpoint, which Earmark never opens; {_ADVICE}")
