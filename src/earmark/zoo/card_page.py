"""Model card page: the card of a recognizer in Markdown, as it ships beside each built-in file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from earmark.recognizer.answers import no_label
from earmark.recognizer.card import PART_NAMES
from earmark.text import counted, percent

if TYPE_CHECKING:
    from earmark.recognizer import Card, Score
    from earmark.zoo.costs import Cost

_FEW_LABELS = 12


def card_page(card: Card, *, n_bytes: int, cost: Cost) -> str:
    """Return the card in Markdown: data, protocol, scores, calibration, what it refuses, limits, cost."""
    parts = [
        f"# {card.name}",
        f"{card.about}. Made on {card.created}; licence {card.licence.partition(chr(10))[0]}.",
        _table({"reads": _reads(card), "answers": _answers(card), "file": f"{n_bytes / 1e6:.2f} MB, one ONNX model"}),
        "## Data",
        _data(card),
        "## Scores",
        *([_score(score) for score in card.scores] or ["Nothing was measured of this file; see its limits."]),
        *_caution(card),
        "## Calibration",
        _calibration(card),
        "## What it refuses",
        *_refusals(card),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card.limits) or "None are stated.",
        "## Cost",
        _cost(cost),
    ]
    return "\n\n".join(parts) + "\n"


def _reads(card: Card) -> str:
    window = card.window
    if window is None:
        return f"drawings, as strokes or pixels ({card.features.kind})"
    return f"sounds, in windows of {window.length_s:g} s every {window.hop_s:g} s ({card.features.kind})"


def _answers(card: Card) -> str:
    labels = card.labels
    if len(labels) <= _FEW_LABELS:
        return f"{len(labels)} labels: {', '.join(labels)}"
    if card.is_multi_label:
        return f"any of {len(labels)} labels: {', '.join(labels)}"
    return f"{len(labels)} labels, {labels[0]} to {labels[-1]}"


def _data(card: Card) -> str:
    data = card.data
    if not data.content_hashes and not card.recipe:
        trained = f"Trained elsewhere, on {counted(data.n_examples, 'example')} of {data.name}"
        return f"{trained}. Source: {data.source}. Licence of the data: {data.licence}."
    amount = f"{counted(data.n_examples, 'example')} of {counted(data.n_groups, 'group')}"
    return (
        f"Trained on {amount} of {data.name}: {_parts(data.learned)} of its split. Source: {data.source}."
        f" Licence of the data: {data.licence}. Fingerprint: `{data.fingerprint[:16]}`."
    )


def _parts(names: Sequence[str]) -> str:
    """Return parts of a split in words.

    >>> _parts(("train",)), _parts(("train", "valid", "test"))
    ('the training part', 'the training, validation and test parts')
    """
    *others, last = (PART_NAMES[name] for name in names)
    return f"the {', '.join(others)} and {last} parts" if others else f"the {last} part"


def _calibration(card: Card) -> str:
    errors = (f" Expected calibration error: {score.ece:.3f} (15 bins), {score.protocol}." for score in card.scores)
    return (
        f"Logits are divided by a temperature of {card.temperature:.3f}, fitted on examples that were not trained on."
        + "".join(errors)
        if card.temperature != 1
        else "Probabilities are as the network gives them; no temperature was fitted."
    )


def _score(score: Score) -> str:
    if score.mean_average_precision is not None and score.roc_auc is not None:
        return _score_of_labels(score)
    low, high = score.accuracy_interval
    seeds = ", ".join(map(str, score.seeds))
    return (
        f"**{percent(score.accuracy)}** right (95 % interval {percent(low)} to {percent(high)}), macro F1"
        f" {score.macro_f1:.3f}, on {counted(score.n, 'example')} of {counted(score.n_groups, 'group')}."
        f" Protocol: {score.protocol}; seed {seeds}."
    )


def _score_of_labels(score: Score) -> str:
    seeds = ", ".join(map(str, score.seeds))
    return (
        f"Mean average precision **{score.mean_average_precision:.3f}**, ROC-AUC {score.roc_auc:.3f}, macro F1"
        f" {score.macro_f1:.3f}; all labels right of {percent(score.accuracy)} of {counted(score.n, 'example')} of"
        f" {counted(score.n_groups, 'group')}. Protocol: {score.protocol}; seed {seeds}."
    )


def _caution(card: Card) -> Iterator[str]:
    since = [part for part in card.data.learned if part != "train"]
    if since:
        yield (
            "The network that was scored was not trained on these examples. The network in the file was then trained on"
            f" {_parts(since)} too, so do not score the file on them."
        )


def _refusals(card: Card) -> Iterator[str]:
    always = {"silence": "always"} if card.window is not None else {}
    if card.rejection is None:
        named = _thresholds(card) if card.is_multi_label else "it names one of its labels"
        yield f"Nothing{' but silence' if always else ''}: {named}."
        return
    labels = {"of the others": _thresholds(card)} if card.is_multi_label else {}
    yield _table({**always, **{name: text for name, text in card.rejection.in_words().items() if text}, **labels})


def _thresholds(card: Card) -> str:
    low, high = min(card.thresholds), max(card.thresholds)
    which = (
        f"{percent(low)} probable"
        if low == high
        else f"as probable as its threshold, {percent(low)} to {percent(high)}"
    )
    nothing = no_label(0.0, task=card.task).label
    return f"it gives every label that is at least {which}, and says {nothing!r} where there is none"


def _cost(cost: Cost) -> str:
    lines = [f"Train it again:\n\n    {cost.train}", cost.training] if cost.train else ["Not stated."]
    if cost.answer_ms is not None:
        lines.append(f"{cost.answer}, once it is in memory, takes {cost.answer_ms:g} ms on {cost.machine}.")
    return "\n\n".join(lines)


def _table(pairs: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in pairs.items())])
