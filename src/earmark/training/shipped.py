"""Paths of the recipes in the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_recipes() -> dict[str, Path]:
    """Return the paths of the recipes in the package by name, such as ``zoo/notes``."""
    folder = Path(str(resources.files("earmark.training"))) / "recipes"
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.toml"))}
