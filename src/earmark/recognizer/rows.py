"""Predictions as rows of a table: one a prediction with its runners-up, or one a window."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from earmark.recognizer.answers import DETAIL_NAMES, answer_as_dict, as_dict
from earmark.recognizer.card import Card
from earmark.recognizer.inputs import Input
from earmark.recognizer.recognizer import Failure, Recognizer
from earmark.types import Prediction


def columns_of(card: Card, *, top: int, timeline: bool) -> list[str]:
    """Return the columns of a table of predictions: one row a prediction with its runners-up, or one row a window.

    Of a multi-label recognizer a window has one row for each of its labels. Of one with frames a note has a row.
    """
    if timeline and card.frames is not None:
        return ["input", "start_s", "end_s", "midi", "name", "velocity", "confidence"]
    details = DETAIL_NAMES.get(card.task, ())
    if timeline and card.is_multi_label:
        return ["input", "start_s", "end_s", "label", "confidence", *details]
    if timeline:
        return ["input", "start_s", "end_s", "label", "confidence", *details, "segment", "segment_label"]
    ranks = range(1 if card.is_multi_label else 2, min(top, len(card.labels)) + 1)
    chord = ("sounding", "chord") if card.is_multi_label and card.task == "note" else ()
    labels = ("labels", *chord) if card.is_multi_label else ()
    return [
        *(
            "input",
            *labels,
            "label",
            "confidence",
            *details,
            *(("familiarity",) if card.has_detector else ()),
            "reason",
        ),
        *(f"{column}_{rank}" for rank in ranks for column in ("label", "confidence")),
    ]


def rows_of(prediction: Prediction) -> Iterator[dict[str, Any]]:
    """Yield the rows of a prediction, by the names of `columns_of`; what a row does not have is not in it."""
    if prediction.timeline is None:
        yield _row(prediction)
        return
    values = as_dict(prediction)
    if prediction.notes is not None:
        yield from ({"input": prediction.input, **note} for note in values["notes"])
        return
    if prediction.labels is not None:
        yield from ({"input": prediction.input, **window} for window in values["timeline"])
        return
    ends_s = [segment["end_s"] for segment in values["segments"]]
    for window in values["timeline"]:
        place = bisect_right(ends_s[:-1], (window["start_s"] + window["end_s"]) / 2)
        segment = {"segment": place + 1, "segment_label": values["segments"][place]["label"]}
        yield {"input": prediction.input, **window, **segment}


def predict_named(named: tuple[str, Input], *, recognizer: Recognizer, **how: Any) -> Prediction | Failure:
    """Recognise an input, given with its name; for maps over processes, to which a recognizer can be sent."""
    name, item = named
    return recognizer.try_predict(item, name=name, **how)


def complaint(result: Prediction | Failure) -> str:
    """Return why an input was not recognised, in a sentence; empty when it was."""
    if isinstance(result, Failure):
        return str(result.error)
    return "" if result.top else f"{result.input}: {result.reason}; give a sound that can be heard"


def n_given(prediction: Prediction) -> int:
    """Return how many of the best guesses are the answer: none of them, when it is declined."""
    return int(bool(prediction.top) and prediction.top[0].label == prediction.label)


def _row(prediction: Prediction) -> dict[str, Any]:
    values = as_dict(prediction)
    rivals, first = values.pop("top")[n_given(prediction) :], 2
    if prediction.labels is not None:
        values["labels"] = ";".join(answer.label for answer in prediction.labels)
        values["sounding"] = ";".join(key.name for key in prediction.sounding or ())
        values["chord"] = prediction.chord.symbol if prediction.chord else ""
        rivals, first = [answer_as_dict(answer) for answer in prediction.top], 1
    ranked = {
        f"{key}_{rank}": answer[key]
        for rank, answer in enumerate(rivals, start=first)
        for key in ("label", "confidence")
    }
    return {**values, **ranked}
