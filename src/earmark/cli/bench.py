"""``earmark bench zoo``: whether the built-in recognizers are as good, small and quick as their cards say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import AsJson, print_json, print_table
from earmark.cli.progress import progress_on_stderr
from earmark.errors import UnknownNameError
from earmark.text import percent

if TYPE_CHECKING:
    from earmark.zoo.verify import CostCheck, ScoreCheck

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Verify the built-in recognizers."""


@app.command("zoo")
def zoo(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="The folder of homus/, pianos/ and gtzan/, or some of them.")
    ],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this recognizer; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=2, help="Score at most this many examples with each recognizer."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure every figure on the cards of the built-in recognizers again.

    Some figures cannot be measured again, because the file has since been trained on those examples; the output says
    so. The exit code is 1 when a figure differs from the card.
    """
    from earmark.zoo.verify import known_models, verify_recognizer

    known = known_models(data)
    for name in only or ():
        if name not in known:
            raise UnknownNameError("recognizer with data in that folder", name, known)
    figures: list[ScoreCheck] = []
    costs: list[CostCheck] = []
    for name in only or known:
        with progress_on_stderr() as progress:
            redone, cost = verify_recognizer(name, data, limit=limit, progress=progress)
        figures.extend(redone)
        costs.append(cost)
    if as_json:
        print_json({"figures": [figure.to_dict() for figure in figures], "costs": [_cost(cost) for cost in costs]})
    else:
        _print(figures, costs)
    if any(figure.agrees is False for figure in figures):
        raise typer.Exit(1)


def _print(figures: list[ScoreCheck], costs: list[CostCheck]) -> None:
    heading = ("MODEL", "FIGURE", "CARD", "NOW", "ECE CARD", "ECE NOW", "EXAMPLES", "ANSWERED", "AGREES")
    print_table([heading, *(_row(figure) for figure in figures)])
    print()
    for figure in figures:
        print(f"{figure.model}: {figure.says}.")
    print()
    rows = [
        (cost.model, f"{cost.n_bytes / 1e6:.2f} MB", cost.item, f"{cost.ms:.1f} ms", _stated(cost)) for cost in costs
    ]
    print_table([("MODEL", "FILE", "ITEM", "ONE CORE", "CARD"), *rows])


def _row(figure: ScoreCheck) -> tuple[str, ...]:
    card, now = figure.card, figure.now
    left = (figure.model, figure.status, _share(card.accuracy, card.accuracy_interval))
    if now is None:
        return (*left, "", f"{card.ece:.3f}", "", "", "", "")
    agrees = {True: "yes", False: "NO", None: "–"}[figure.agrees]
    answered = percent(now.selective.answered) if now.selective else "100.0 %"
    examples = f"{now.n:,} of {now.n_groups:,} groups"
    measured = _share(now.accuracy, now.accuracy_interval)
    return (*left, measured, f"{card.ece:.3f}", f"{now.ece:.3f}", examples, answered, agrees)


def _share(accuracy: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{percent(accuracy)} ({100 * low:.1f}–{100 * high:.1f})"


def _stated(cost: CostCheck) -> str:
    return "" if cost.ms_stated is None else f"{cost.ms_stated:.1f} ms"


def _cost(cost: CostCheck) -> dict[str, str | int | float | None]:
    return {
        "model": cost.model,
        "n_bytes": cost.n_bytes,
        "item": cost.item,
        "ms": round(cost.ms, 3),
        "ms_stated": cost.ms_stated,
    }
