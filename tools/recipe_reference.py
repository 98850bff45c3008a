"""Write docs/reference/recipes.md, the list of shipped recipes and of the keys of a recipe, from the code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from earmark.features import FEATURES
from earmark.features.window import Window
from earmark.models import MODELS
from earmark.training import AUGMENTATIONS, Training, load_recipe, shipped_recipes
from earmark.training.mixtures.config import MixtureConfig
from earmark.training.rejection_config import RejectionConfig

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "recipes.md"
INTRODUCTION = """\
# Shipped recipes and their keys

`earmark train NAME --data SOURCE -o RUN --set key=value` runs a recipe with a change. What recipes are for, and which
keys are worth knowing, is in [recipes](../recipes.md). `python tools/recipe_reference.py` writes this page.
"""


def reference() -> str:
    """Return the page: the recipes, and a table of keys and defaults for every part of a recipe."""
    recipes = [f"| `{name}` | {load_recipe(name).about} |" for name in sorted(shipped_recipes())]
    parts = [
        ("[window]", Window),
        ("[training]", Training),
        ("[mixtures]", MixtureConfig),
        ("[rejection]", RejectionConfig),
        *((f'[features] kind = "{kind}"', FEATURES[kind]) for kind in FEATURES),
        *((f'[model] kind = "{kind}"', MODELS[kind]) for kind in MODELS),
        *((f'[[augment]] kind = "{kind}"', AUGMENTATIONS[kind]) for kind in AUGMENTATIONS),
    ]
    table = "\n".join(["| recipe | about |", "|---|---|", *recipes])
    return "\n".join([INTRODUCTION, table, "", *(line for name, model in parts for line in _part(name, model))])


def _part(name: str, model: Any) -> Iterator[str]:
    yield f"## `{name}`\n"
    yield f"{(model.__doc__ or '').strip().splitlines()[0]}\n"
    fields = _fields(model)
    if fields:
        yield "\n".join(["| key | default |", "|---|---|", *fields]) + "\n"


def _fields(model: type[BaseModel]) -> list[str]:
    return [f"| `{key}` | {_default(field)} |" for key, field in model.model_fields.items() if key != "kind"]


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return "needed" if value is PydanticUndefined else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, BaseModel):
        return ", ".join(f"{key}={_plain(each)}" for key, each in value.model_dump().items())
    return str(list(value) if isinstance(value, tuple) else value).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"written: {PAGE}")
