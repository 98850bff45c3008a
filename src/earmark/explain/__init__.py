"""Explanations: which part of a sound or drawing an answer rests on."""

from earmark.explain.explain import Explanation, explain
from earmark.explain.figures import explanation_figure, timeline_figure

__all__ = ["Explanation", "explain", "explanation_figure", "timeline_figure"]
