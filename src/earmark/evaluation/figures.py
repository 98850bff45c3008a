"""Plots of the report: SVG that follows the reader's light or dark scheme, and PNG for pictures.

Each returns a ``data:`` address, so that a page that shows it needs nothing else. The colours stay apart for
colour-blind readers and on both schemes.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from earmark import extras
from earmark.evaluation.calibration import Reliability
from earmark.types import RealArray

Origin: TypeAlias = Literal["lower", "upper"]
Form: TypeAlias = Literal["svg", "png"]
CurvePoint: TypeAlias = tuple[float, float, tuple[float, float]]
"""Of a learning curve: training examples a label, accuracy 0…1, and its interval."""

BLUE, ORANGE, GREY = "#2a7fd4", "#e0762b", "#8a8f98"
# Stands for the reader's text colour until the SVG is finished.
INK = "#010203"
SCHEME = "<style>svg{color:#1d2127}@media(prefers-color-scheme:dark){svg{color:#e6e8ec}}</style>"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "earmark",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.8,
}
# Up to so many labels the cells of a confusion carry their percentage.
N_LABELS_ANNOTATED = 16


def curves_figure(rows: Sequence[Mapping[str, Any]], *, form: Form = "svg") -> str:
    """Draw loss, accuracy and learning rate over the epochs.

    Parameters
    ----------
    rows
        One mapping an epoch with ``epoch`` and any of ``train_loss``, ``valid_loss``, ``train_accuracy``,
        ``valid_accuracy``, ``learning_rate``; values may be texts, missing or empty.
    form
        Of the address that is returned.
    """
    epochs = [float(row["epoch"]) for row in rows]
    panels: dict[str, tuple[tuple[str, str], ...]] = {
        "Loss": (("train_loss", "training"), ("valid_loss", "validation")),
        "Accuracy, %": (("train_accuracy", "training"), ("valid_accuracy", "validation")),
    }
    if any(np.isfinite(_number(row.get("learning_rate"))) for row in rows):
        panels["Learning rate"] = (("learning_rate", ""),)
    figure, axes = _figure(len(panels), size=(3.2 * len(panels), 2.8))
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for (column, name), colour in zip(lines, (BLUE, ORANGE), strict=False):
            values = np.array([_number(row.get(column)) for row in rows])
            scale = 100 if title.startswith("Accuracy") else 1
            axis.plot(epochs, scale * values, color=colour, label=name, marker="o" if len(rows) == 1 else None)
        axis.set(title=title)
        _count_epochs(axis, epochs)
        if scale == 100:
            low, high = axis.get_ylim()
            # Matplotlib leaves wide room above the highest point; no accuracy lies above 100 %, only half a line.
            axis.set_ylim(low, min(high, 100 + 0.02 * (100 - low)))
        axis.grid(visible=True)
    axes[0].legend(frameon=False, labelcolor=INK)
    axes[-1].ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    return _rendered(figure, form)


def _count_epochs(axis: Any, epochs: Sequence[float]) -> None:
    """Number the horizontal axis by whole epochs, of which there may be one."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("epoch")
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if len(epochs) == 1:
        axis.set_xlim(epochs[0] - 1, epochs[0] + 1)


def confusion_figure(confusion: npt.ArrayLike, labels: Sequence[str], *, form: Form = "svg") -> str:
    """Draw a confusion matrix, each row normalised to its truths: right answers blue, wrong ones orange.

    Parameters
    ----------
    confusion
        Counts, shape ``(n_labels, n_labels)``, rows are truths.
    labels
        In the order of rows and columns.
    form
        Of the address that is returned.
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    counts = np.asarray(confusion, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(labels)
    side = float(np.clip(0.155 * n + 2.4, 4.6, 15.0))
    figure, (axis,) = _figure(1, size=(side, side))
    rows, columns = np.nonzero(shares)
    # A wrong answer once in a hundred must still be seen: square root, with a floor.
    colours = [
        (*to_rgb(BLUE if row == column else ORANGE), 0.12 + 0.88 * shares[row, column] ** 0.5)
        for row, column in zip(rows, columns, strict=True)
    ]
    cells = [Rectangle((column - 0.47, row - 0.47), 0.94, 0.94) for row, column in zip(rows, columns, strict=True)]
    axis.add_collection(PatchCollection(cells, facecolors=colours, edgecolors="none"))
    if n <= N_LABELS_ANNOTATED:
        for row, column in zip(rows, columns, strict=True):
            share = shares[row, column]
            colour = "white" if share > 0.35 else INK
            text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
            axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=9 if n <= 12 else 7.5)
    # Points a cell, less what the labels beside the matrix take.
    size = min(9.5, 0.72 * 72 * side / n)
    axis.set_xticks(range(n), labels, rotation=90, fontsize=size)
    axis.set_yticks(range(n), labels, fontsize=size)
    axis.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5), xlabel="answer", ylabel="truth", aspect="equal")
    axis.tick_params(length=0)
    if n > N_LABELS_ANNOTATED:
        axis.grid(visible=True, linewidth=0.5)
        axis.set_axisbelow(True)
    return _rendered(figure, form)


def reliability_figure(after: Reliability, *, before: Reliability | None = None, form: Form = "svg") -> str:
    """Draw how often answers are right against how sure they were, and how many there were of each.

    Parameters
    ----------
    after
        Of the recognizer as it is.
    before
        Without the temperature, drawn beside it.
    form
        Of the address that is returned.
    """
    shown = [("As it answers", after)] if before is None else [("Before", before), ("After temperature", after)]
    figure, axes = _figure(len(shown), size=(4.4 * len(shown), 4.2))
    for axis, (title, bins) in zip(axes, shown, strict=True):
        width = np.diff(bins.edges) * 100
        left = bins.edges[:-1] * 100
        share = bins.n / bins.n.sum()
        axis.bar(left, 100 * share, width, align="edge", color=GREY, alpha=0.25, label="share of answers")
        axis.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="ideal")
        filled = bins.n > 0
        sizes = 14 + 90 * share[filled] ** 0.5
        axis.vlines(100 * bins.confidence[filled], *_gap(bins, filled), color=ORANGE, linewidth=2, alpha=0.7)
        axis.scatter(
            100 * bins.confidence[filled], 100 * bins.accuracy[filled], s=sizes, color=BLUE, zorder=3, label="answers"
        )
        axis.set(xlim=(0, 100), ylim=(0, 102), xlabel="how sure, %", ylabel="how often right, %")
        axis.set_title(f"{title}: ECE {100 * bins.error:.1f} %")
        axis.set_aspect("equal")
        axis.grid(visible=True)
    axes[0].legend(loc="upper left", fontsize=8.5, frameon=False, labelcolor=INK)
    return _rendered(figure, form)


def intervals_figure(
    names: Sequence[str],
    shares: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    measure: str = "accuracy",
) -> str:
    """Draw shares with their intervals, one row a name, the first at the top.

    Parameters
    ----------
    names, shares, intervals
        Of the same length; shares and ends of intervals in 0…1.
    measure
        What the shares are.
    """
    figure, (axis,) = _figure(1, size=(8.0, 0.9 + 0.36 * len(names)))
    rows = range(len(names))
    axis.hlines(rows, *np.transpose(intervals) * 100, color=BLUE, linewidth=3, alpha=0.4)
    axis.scatter(100 * np.asarray(shares), rows, color=BLUE, zorder=3)
    axis.set_yticks(rows, names)
    axis.set(ylim=(len(names) - 0.5, -0.5), xlabel=f"{measure}, % (with 95 % interval)")
    axis.grid(visible=True, axis="x")
    return _svg(figure)


def curve_figure(x: npt.ArrayLike, y: npt.ArrayLike, *, axes: tuple[str, str], mark: float, title: str) -> str:
    """Draw one curve over a logarithmic axis, with a vertical line at `mark`.

    Parameters
    ----------
    x, y
        Of the same length; `x` is positive.
    axes
        What stands at the two.
    """
    figure, (axis,) = _figure(1, size=(7.0, 3.6))
    axis.plot(np.asarray(x), np.asarray(y), color=BLUE)
    axis.axvline(mark, color=ORANGE, linestyle=(0, (4, 3)))
    axis.set(xscale="log", xlabel=axes[0], ylabel=axes[1])
    axis.set_title(title)
    axis.grid(visible=True)
    return _svg(figure)


def learning_curves_figure(curves: Mapping[str, Sequence[CurvePoint]]) -> str:
    """Draw accuracy against the number of training examples a label, one line a recipe, with intervals.

    Parameters
    ----------
    curves
        By name; the points of each in ascending order.
    """
    figure, (axis,) = _figure(1, size=(7.0, 3.8))
    ticks = sorted({n for points in curves.values() for n, _, _ in points})
    for place, (name, points) in enumerate(curves.items()):
        n, shares, intervals = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
        colour, dash = (BLUE, ORANGE, GREY)[place % 3], ("-", "--", ":")[place // 3 % 3]
        axis.plot(n, 100 * shares, dash, color=colour, marker="o", markersize=4, label=name)
        axis.vlines(n, *(100 * intervals.T), color=colour, linewidth=3, alpha=0.35)
    axis.set(xscale="log", xlabel="training examples a label", ylabel="accuracy, % (with 95 % interval)", ylim=(0, 100))
    axis.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(visible=True)
    axis.legend(frameon=False, labelcolor=INK)
    return _svg(figure)


def validation_losses_figure(losses: Mapping[str, Sequence[float]]) -> str:
    """Draw the validation loss of several runs over their epochs, one line a run.

    Parameters
    ----------
    losses
        By name; one number an epoch.
    """
    figure, (axis,) = _figure(1, size=(7.0, 3.2))
    for place, (name, values) in enumerate(losses.items()):
        colour, dash = (BLUE, ORANGE, GREY)[place % 3], ("-", "--", ":")[place // 3 % 3]
        # A line of one epoch has no length.
        marker = "o" if len(values) == 1 else None
        axis.plot(range(1, len(values) + 1), values, dash, color=colour, label=name, marker=marker)
    _count_epochs(axis, range(1, 1 + max((len(values) for values in losses.values()), default=0)))
    axis.set_ylabel("validation loss")
    axis.grid(visible=True)
    axis.legend(frameon=False, labelcolor=INK)
    return _svg(figure)


def picture_figure(values: npt.NDArray[Any], *, origin: Origin) -> str:
    """Return a picture as PNG: a spectrogram in colour (``"lower"``), a drawing black on white (``"upper"``).

    Parameters
    ----------
    values
        Shape ``(freq|height, time|width)``, any scale.
    origin
        Whether row 0 is at the bottom or at the top.
    """
    extras.require("a report", "train", "matplotlib")
    from matplotlib import colormaps
    from PIL import Image

    numbers = np.asarray(values, dtype=np.float64)
    low, high = numbers.min(), numbers.max()
    scaled = (numbers - low) / (high - low) if high > low else np.zeros_like(numbers)
    mapped = colormaps["magma" if origin == "lower" else "gray_r"](scaled[::-1] if origin == "lower" else scaled)
    image = Image.fromarray((255 * mapped[..., :3]).round().astype(np.uint8))
    # Wide spectrograms are for looking at, not for measuring.
    image.thumbnail((480, 256))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return _address("image/png", buffer.getvalue())


def _gap(bins: Reliability, filled: npt.NDArray[np.bool_]) -> tuple[RealArray, RealArray]:
    pair = np.stack([bins.confidence[filled], bins.accuracy[filled]]) * 100
    return pair.min(axis=0), pair.max(axis=0)


def _figure(n_panels: int, *, size: tuple[float, float]) -> tuple[Any, Any]:
    extras.require("a report", "train", "matplotlib")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A Figure of its own needs no pyplot, no backend and no display.
    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, n_panels, squeeze=False)[0]
    return figure, axes


def _rendered(figure: Any, form: Form) -> str:
    """Return a figure as SVG that follows the scheme of its reader, or as PNG, dark on white."""
    if form == "svg":
        return _svg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, facecolor="white")
    return _address("image/png", buffer.getvalue())


def _svg(figure: Any) -> str:
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    return _address("image/svg+xml", re.sub(r"(<svg[^>]*>)", rf"\1{SCHEME}", text, count=1).encode())


def _number(value: Any) -> float:
    return float("nan") if value is None or value == "" else float(value)


def _address(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
