"""Costs of training and using the built-in recognizers: measured once, stated on their cards, checked by `verify`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from earmark.config import Config, read_toml


class Cost(Config):
    """What one recognizer costs.

    Attributes
    ----------
    train
        The command that makes it.
    training
        Time and hardware for that, in words.
    answer, answer_ms
        A typical item, and the time of one core for it once it is in memory.
    machine
        Where that was measured.
    """

    train: str = ""
    training: str = ""
    answer: str = ""
    answer_ms: float | None = None
    machine: str = ""


def cost_of(name: str) -> Cost:
    """Return what the built-in recognizer `name` costs; nothing is stated for one that does not ship."""
    path = Path(str(resources.files("earmark.zoo"))) / "costs.toml"
    tables = read_toml(path)
    return Cost.parse(tables.get(name, {}), where=f"{path.name}: {name}")
