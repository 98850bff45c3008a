"""Lattice of the groups of a line: the best partition by Viterbi, and marginal probabilities by forward-backward.

A node is a set of strokes that are read already: all before the first open stroke, and some after it, since a symbol
may have been finished late. An edge adds a group that holds the first open stroke. Every path from the empty to the
full set is a partition of the strokes. As groups are small and local, the nodes grow with the length of the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.types import IntArray, RealArray

MOST_NODES = 64
"""Nodes with the same first open stroke that are followed; of more, those with the best way to them."""


@dataclass(frozen=True, slots=True)
class Lattice:
    """Edges in an order in which every edge comes after those that lead to its start.

    Attributes
    ----------
    starts, ends
        The nodes of each edge, ``(n_edges,)``; node 0 is the empty set, the last node the full one.
    groups
        Which group each edge adds, ``(n_edges,)``.
    n_nodes, n_groups
        How many there are.
    """

    starts: IntArray
    ends: IntArray
    groups: IntArray
    n_nodes: int
    n_groups: int


def build_lattice(groups: Sequence[Sequence[int]], scores: Sequence[float], *, n_parts: int) -> Lattice:
    """Return the lattice of groups of the parts ``0…n_parts - 1``.

    Parameters
    ----------
    groups
        Ranks of the parts of each group; every part must have a group of its own.
    scores
        Of each group; where there are more than `MOST_NODES` ways to have come so far, they decide which are followed.
    """
    by_first: list[list[tuple[int, int]]] = [[] for _ in range(n_parts)]
    for index, group in enumerate(groups):
        first = min(group)
        by_first[first].append((index, sum(1 << (part - first) for part in group)))
    waiting: dict[int, dict[int, tuple[int, float]]] = {0: {0: (0, 0.0)}}
    edges: list[tuple[int, int, int]] = []
    n_nodes = 1
    for first in range(n_parts):
        nodes = sorted(waiting.pop(first, {}).items(), key=lambda item: -item[1][1])[:MOST_NODES]
        for mask, (node, best) in nodes:
            for index, bits in by_first[first]:
                if bits & mask:
                    continue
                covered = bits | mask
                step = ((covered + 1) & ~covered).bit_length() - 1  # how many are covered without a hole
                behind = waiting.setdefault(first + step, {})
                known = behind.get(covered >> step)
                score = best + scores[index]
                if known is None:
                    known = (n_nodes, -math.inf)
                    n_nodes += 1
                behind[covered >> step] = (known[0], max(known[1], score))
                edges.append((node, known[0], index))
    (final,) = (node for node, _ in waiting[n_parts].values())
    columns = np.array(edges, np.int64).reshape(-1, 3)
    # The full set was numbered when it was first reached; nodes behind it keep their numbers.
    columns[:, :2][columns[:, :2] == final] = n_nodes
    return Lattice(columns[:, 0], columns[:, 1], columns[:, 2], n_nodes + 1, len(groups))


def best_path(lattice: Lattice, scores: RealArray) -> list[int]:
    """Return the groups of the partition with the highest sum of `scores` ``(n_groups,)`` (Viterbi 1967)."""
    best = [-math.inf] * lattice.n_nodes
    best[0] = 0.0
    came: list[tuple[int, int]] = [(0, 0)] * lattice.n_nodes
    for start, end, group in zip(lattice.starts.tolist(), lattice.ends.tolist(), lattice.groups.tolist(), strict=True):
        score = best[start] + scores[group]
        if score > best[end]:
            best[end], came[end] = score, (start, group)
    path, node = [], lattice.n_nodes - 1
    while node:
        node, group = came[node]
        path.append(group)
    return path[::-1]


def marginals(lattice: Lattice, scores: RealArray) -> tuple[RealArray, float]:
    """Return the probability of each group ``(n_groups,)`` under the scores, and the logarithm of their sum."""
    starts, ends, groups = lattice.starts.tolist(), lattice.ends.tolist(), lattice.groups.tolist()
    edge_scores = np.asarray(scores)[lattice.groups].tolist()
    forward, backward = [-math.inf] * lattice.n_nodes, [-math.inf] * lattice.n_nodes
    forward[0] = backward[-1] = 0.0
    for start, end, score in zip(starts, ends, edge_scores, strict=True):
        forward[end] = _log_add(forward[end], forward[start] + score)
    for start, end, score in zip(reversed(starts), reversed(ends), reversed(edge_scores), strict=True):
        backward[start] = _log_add(backward[start], backward[end] + score)
    total = forward[-1]
    result = np.zeros(lattice.n_groups)
    for start, end, group, score in zip(starts, ends, groups, edge_scores, strict=True):
        result[group] += math.exp(min(0.0, forward[start] + score + backward[end] - total))
    return result, total


def _log_add(a: float, b: float) -> float:
    high, low = (a, b) if a >= b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
