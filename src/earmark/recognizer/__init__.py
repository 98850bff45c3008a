"""The recognizer file: load it, predict with it, assemble it."""

from earmark.recognizer.answers import as_dict
from earmark.recognizer.assemble import add_detector, assemble, set_card
from earmark.recognizer.card import Card, DataSummary, Score
from earmark.recognizer.inputs import readable_extensions
from earmark.recognizer.locate import find, load, zoo
from earmark.recognizer.recognizer import Failure, Recognizer
from earmark.recognizer.rejection import OodScore, Rejection
from earmark.recognizer.windows import WindowScores

__all__ = [
    "Card",
    "DataSummary",
    "Failure",
    "OodScore",
    "Recognizer",
    "Rejection",
    "Score",
    "WindowScores",
    "add_detector",
    "as_dict",
    "assemble",
    "find",
    "load",
    "readable_extensions",
    "set_card",
    "zoo",
]
