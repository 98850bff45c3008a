"""One file that recognises: load it, predict with it, assemble it."""

from earmark.recognizer.answers import as_dict
from earmark.recognizer.assemble import add_gate, assemble, set_card
from earmark.recognizer.card import Card, DataSummary, ForeignScore, Rejection, Score
from earmark.recognizer.inputs import readable_extensions
from earmark.recognizer.locate import find, load, zoo
from earmark.recognizer.recognizer import Failure, Recognizer
from earmark.recognizer.windows import Scored

__all__ = [
    "Card",
    "DataSummary",
    "Failure",
    "ForeignScore",
    "Recognizer",
    "Rejection",
    "Score",
    "Scored",
    "add_gate",
    "as_dict",
    "assemble",
    "find",
    "load",
    "readable_extensions",
    "set_card",
    "zoo",
]
