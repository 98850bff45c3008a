"""``earmark models`` and ``earmark info``: list the built-in recognizers, and show the card of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import AsJson, print_json, print_pairs, print_table
from earmark.text import counted, percent

if TYPE_CHECKING:
    from earmark.recognizer import Card, Score


def models(as_json: AsJson = False) -> None:
    """List the built-in recognizers."""
    from earmark.recognizer import load, zoo

    files = zoo()
    cards = {name: load(name).card for name in files}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "about": card.about,
                    "task": card.task,
                    "reads": card.features.domain,
                    "n_labels": len(card.labels),
                    "target": card.target,
                    "accuracy": card.scores[0].accuracy if card.scores else None,
                    "declines": card.rejection is not None,
                    "n_bytes": files[name].stat().st_size,
                }
                for name, card in cards.items()
            ]
        )
        return
    print_table(
        [
            ("NAME", "READS", "LABELS", "ACCURACY", "DECLINES", "ABOUT"),
            *(
                (
                    name,
                    card.features.domain,
                    str(len(card.labels)),
                    _accuracy_text(card),
                    "the unknown" if card.has_detector else "silence",
                    card.about,
                )
                for name, card in cards.items()
            ),
        ]
    )


def _accuracy_text(card: Card) -> str:
    if not card.scores:
        return ""
    score = card.scores[0]
    precision = score.mean_average_precision
    return percent(score.accuracy) if precision is None else f"mAP {precision:.3f}"


def info(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the card as a page.")] = False,
) -> None:
    """Show the card of a recognizer.

    The card holds labels, data, scores and limits.
    """
    from earmark.recognizer import find, load
    from earmark.recognizer.card import HASHES

    path = find(model)
    card = load(path).card
    if markdown:
        from earmark.zoo.card_page import card_page
        from earmark.zoo.costs import cost_of

        print(card_page(card, n_bytes=path.stat().st_size, cost=cost_of(model)), end="")
    elif as_json:
        print_json({"file": str(path), **card.model_dump(mode="json", exclude=HASHES)})
    else:
        print_pairs(
            {
                **_card_pairs(card, path),
                **_cost_pairs(model),
                "licence": card.licence.partition("\n")[0],
                "created": _created_text(card),
            }
        )
        _print_run(Path(model), n_labels=len(card.labels))


def _print_run(folder: Path, *, n_labels: int) -> None:
    """Print the weights and the settings of a run; nothing for any other recognizer."""
    file = folder / "recipe.json"
    if not file.is_file():
        return
    from earmark.runs.architecture import architecture_of
    from earmark.runs.facts import settings_table
    from earmark.training import Recipe

    recipe = Recipe.parse(json.loads(file.read_text(encoding="utf-8"))["recipe"], where=str(file))
    network = architecture_of(recipe, n_labels=n_labels)
    print_pairs({"weights": f"{network.n_parameters:,}, of which {network.n_trainable:,} are trained"})
    print()
    print_table(settings_table(recipe))


def _card_pairs(card: Card, path: Path) -> dict[str, str]:
    data, window = card.data, card.window
    return {
        "name": card.name,
        "about": card.about,
        "file": f"{path} ({path.stat().st_size / 1e6:.2f} MB)",
        "reads": f"{card.features.domain} as {card.features.kind}",
        "windows": f"{window.length_s:g} s every {window.hop_s:g} s, at least {window.min_s:g} s" if window else "",
        "labels": f"{len(card.labels)}: {', '.join(card.labels)}",
        **_threshold_pairs(card),
        "trained on": f"{data.name}: {_amount(data.n_examples, data.n_groups)}",
        "data licence": data.licence,
        **{f"score {rank}": _score_text(score) for rank, score in enumerate(card.scores, start=1)},
        **(card.rejection.in_words() if card.rejection else {}),
        **{f"limit {rank}": limit for rank, limit in enumerate(card.limits, start=1)},
    }


def _threshold_pairs(card: Card) -> dict[str, str]:
    if not card.is_multi_label:
        return {}
    given = ", ".join(f"{label} {percent(least)}" for label, least in zip(card.labels, card.thresholds, strict=True))
    alike = len(set(card.thresholds)) == 1
    return {
        "target": f"multi-label: any number of the labels, or '{'no key' if card.task == 'note' else 'no tag'}'",
        "thresholds": f"{percent(card.thresholds[0])} for every label" if alike else given,
    }


def _cost_pairs(model: str) -> dict[str, str]:
    """Return what a built-in recognizer costs; nothing is known of others."""
    from earmark.recognizer import zoo

    if model not in zoo():
        return {}
    from earmark.zoo.costs import cost_of

    cost = cost_of(model)
    return {
        "train again": cost.train,
        "training took": cost.training,
        "answers in": f"{cost.answer_ms:g} ms: {cost.answer}, {cost.machine}" if cost.answer_ms else "",
    }


def _score_text(score: Score) -> str:
    low, high = score.accuracy_interval
    if score.mean_average_precision is not None and score.roc_auc is not None:
        return (
            f"mean average precision {score.mean_average_precision:.3f}, ROC-AUC {score.roc_auc:.3f}, macro F1"
            f" {score.macro_f1:.3f} on {_amount(score.n, score.n_groups)}; protocol {score.protocol}"
        )
    return (
        f"accuracy {percent(score.accuracy)} ({percent(low)} to {percent(high)}), macro F1 {score.macro_f1:.3f},"
        f" ECE {score.ece:.3f} on {_amount(score.n, score.n_groups)}; protocol {score.protocol}"
    )


def _amount(n_examples: int, n_groups: int) -> str:
    examples = counted(n_examples, "example")
    return f"{examples} of {counted(n_groups, 'group')}" if n_groups else examples


def _created_text(card: Card) -> str:
    versions = ", ".join(f"{library} {version}" for library, version in card.versions.items())
    return f"{card.created} with {versions}" if versions else card.created
