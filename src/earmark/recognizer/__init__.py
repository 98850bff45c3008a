"""The recognizer file: load it, predict with it, assemble it."""

from earmark.recognizer.answers import Failure, as_dict
from earmark.recognizer.assemble import add_detector, assemble, set_card
from earmark.recognizer.card import Card, DataSummary, Score
from earmark.recognizer.file import find, zoo
from earmark.recognizer.inputs import readable_extensions
from earmark.recognizer.network import WindowScores
from earmark.recognizer.recognizer import Recognizer, load
from earmark.recognizer.rejection import OodScore, Rejection

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
