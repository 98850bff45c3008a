"""Figures of an exploration, drawn on axes or figures that the caller makes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from earmark.tables.exploration import Candidate, ExplorationResult
from earmark.tables.search import Tried
from earmark.tables.split import TableSplit
from earmark.types import IntArray, RealArray

_N_REPEATS = 5
_N_SHOWN = 20
_CLUSTER_COUNTS = range(2, 13)
_MOST_ROWS = 1500
_LOGARITHMIC = 30
"""Ratio of the largest to the smallest value of a setting from which its axis is logarithmic."""
_TICK_LETTERS = 14

Importances = list[tuple[str, float, float]]


def heat_map(axes: Any, findings: ExplorationResult) -> None:
    """Draw the accuracy of every transform with every model; under a leaky protocol also what groups leave of it."""
    transforms = sorted({c.transform for c in findings.candidates})
    models = sorted({c.model for c in findings.candidates})
    leaky = findings.best.grouped_accuracy is not None
    # Beside a random protocol stands what is left of it when groups are kept whole.
    kinds = ("", ", GROUPED", ", LEAKED") if leaky else ("",)
    columns = [f"{model}{kind}" for model in models for kind in kinds]
    values = np.full((len(transforms), len(columns)), np.nan)
    for candidate in findings.candidates:
        row, column = transforms.index(candidate.transform), columns.index(candidate.model)
        values[row, column] = candidate.scores.accuracy
        if candidate.grouped_accuracy is not None:
            values[row, column + 1] = candidate.grouped_accuracy
            # A difference has no place on the scale of colours.
            leaked = 100 * (candidate.scores.accuracy - candidate.grouped_accuracy)
            axes.text(column + 2, row, f"{leaked:+.1f}", ha="center", va="center", fontsize="small")
    _grid(axes, 100 * values, transforms, columns, form="{:.1f}")
    axes.set_title(f"accuracy in %, {findings.protocol}")


def confusion(axes: Any, candidate: Candidate) -> None:
    """Draw how often each label (row) was answered with each label (column)."""
    scores = candidate.scores
    _grid(axes, np.array(scores.confusion, float), list(scores.labels), list(scores.labels), form="{:.0f}")
    axes.set(xlabel="answer", ylabel="truth", title=f"{candidate.name}: {100 * scores.accuracy:.1f} %")


def losses(axes: Any, candidate: Candidate) -> None:
    """Draw the training loss of the neural net over its epochs."""
    axes.plot(range(1, len(candidate.loss_curve) + 1), candidate.loss_curve)
    axes.set(xlabel="epoch", ylabel="training loss", title=candidate.name)
    axes.xaxis.get_major_locator().set_params(integer=True)


def search(figure: Any, candidate: Candidate) -> None:
    """Draw train and validation accuracy against each setting, with the others as they validate best beside it."""
    names = [name for name in candidate.chosen if len({str(t.parameters[name]) for t in candidate.search}) > 1]
    panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    for axes, name in zip(panels, names, strict=True):
        best: dict[str, Tried] = {}
        for tried in sorted(candidate.search, key=lambda tried: tried.valid_accuracy):
            best[str(tried.parameters[name])] = tried
        given = {str(tried.parameters[name]): tried.parameters[name] for tried in candidate.search}
        numbers = _as_numbers(given.values())
        values = list(given) if numbers is None else [text for _, text in sorted(zip(numbers, given, strict=True))]
        places = values if numbers is None else sorted(numbers)
        axes.plot(places, [best[value].train_accuracy for value in values], "o-", label="train")
        axes.plot(places, [best[value].valid_accuracy for value in values], "o-", label="valid")
        axes.set_xlabel(name.split("__")[-1])
        if numbers is None:
            axes.set_xticks(range(len(values)), [_short(value) for value in values], rotation=45, ha="right")
        elif min(numbers) > 0 and max(numbers) >= _LOGARITHMIC * min(numbers):
            axes.set_xscale("log")
    panels[0].set_ylabel("accuracy")
    panels[0].legend()
    figure.suptitle(candidate.name)


def _as_numbers(values: Collection[Any]) -> list[float] | None:
    """Return settings as numbers for an axis; None where some are names, switches or lists."""
    found = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return found if len(found) == len(values) else None


def _short(text: str) -> str:
    return text if len(text) <= _TICK_LETTERS else f"{text[: _TICK_LETTERS - 1]}…"


def importances(findings: ExplorationResult) -> Importances:
    """Return what the best model loses when one column is shuffled (Breiman 2001), most important first."""
    from sklearn.inspection import permutation_importance

    table = findings.table
    rows = table.test[:_MOST_ROWS]
    lost = permutation_importance(
        findings.fitted, table.values[rows], table.truth[rows], n_repeats=_N_REPEATS, random_state=0
    )
    order = np.argsort(-lost.importances_mean)
    return [(table.columns[i], float(lost.importances_mean[i]), float(lost.importances_std[i])) for i in order]


def importance_bars(axes: Any, values: Importances) -> None:
    """Draw the most important columns."""
    shown = values[:_N_SHOWN][::-1]
    names, means, spreads = zip(*shown, strict=True)
    axes.barh(names, means, xerr=spreads)
    axes.set_xlabel("accuracy lost when shuffled")


def components(figure: Any, table: TableSplit) -> None:
    """Draw the variance that principal components explain, and the rows on the first two."""
    from sklearn.decomposition import PCA

    standard = _standardised(table)
    pca = PCA(random_state=0).fit(standard)
    left, right = figure.subplots(1, 2)
    left.plot(1 + np.arange(len(pca.explained_variance_ratio_)), 100 * np.cumsum(pca.explained_variance_ratio_))
    left.set(xlabel="components", ylabel="explained variance in %", ylim=(0, 101))
    left.xaxis.get_major_locator().set_params(integer=True)
    places = pca.transform(standard)[:, :2]
    truth = table.truth[_drawn_rows(table)]
    for number, label in enumerate(table.labels):
        right.plot(*places[truth == number].T, ".", markersize=3, label=label)
    right.set(xlabel="component 1", ylabel="component 2")
    right.legend(markerscale=3, fontsize="small")


def clusters(figure: Any, table: TableSplit) -> None:
    """Draw how well k clusters fit, for several k, and which labels are in which of as many clusters as labels."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    standard = _standardised(table)
    left, right = figure.subplots(1, 2)
    counts = [k for k in _CLUSTER_COUNTS if k < len(standard)]
    fits = [KMeans(k, n_init=3, random_state=0).fit(standard) for k in counts]
    left.plot(counts, [silhouette_score(standard, fit.labels_) for fit in fits], "o-", color="C0")
    left.set(xlabel="clusters")
    left.xaxis.get_major_locator().set_params(integer=True)
    left.set_ylabel("silhouette", color="C0")
    elbow = left.twinx()
    elbow.plot(counts, [fit.inertia_ for fit in fits], "s--", color="C1")
    elbow.set_ylabel("inertia", color="C1")
    n_labels = len(table.labels)
    assigned = KMeans(n_labels, n_init=3, random_state=0).fit_predict(standard)
    contingency = np.zeros((n_labels, n_labels))
    np.add.at(contingency, (table.truth[_drawn_rows(table)], assigned), 1)
    _grid(right, contingency, list(table.labels), [str(k) for k in range(n_labels)], form="{:.0f}")
    right.set(xlabel="cluster")


def _drawn_rows(table: TableSplit) -> IntArray:
    rows = table.train
    return rows if len(rows) <= _MOST_ROWS else np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_ROWS])


def _standardised(table: TableSplit) -> RealArray:
    from sklearn.preprocessing import StandardScaler

    values: RealArray = StandardScaler().fit_transform(table.values[_drawn_rows(table)])
    return values


def _grid(axes: Any, values: RealArray, rows: list[str], columns: list[str], *, form: str) -> None:
    lowest, highest = np.nanmin(values), np.nanmax(values)
    # Of equal cells matplotlib would make a scale around them, to 110 % of right answers.
    scale = (lowest, highest) if lowest < highest else (0, highest or 1)
    image = axes.imshow(values, cmap="viridis", aspect="auto", vmin=scale[0], vmax=scale[1])
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    middle = sum(scale) / 2
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "white" if value < middle else "black"
            axes.text(column, row, form.format(value), ha="center", va="center", color=colour, fontsize="small")
    axes.figure.colorbar(image, ax=axes)
