"""Explanations: which part of a sound or drawing an answer rests on."""

from earmark.explanation.explain import Explanation, explain
from earmark.explanation.figures import explanation_figure, timeline_figure

__all__ = ["Explanation", "explain", "explanation_figure", "timeline_figure"]
