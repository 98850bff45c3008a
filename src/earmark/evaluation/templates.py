"""Load Jinja templates of the package."""

from __future__ import annotations

import importlib.resources
from typing import Any

from earmark import extras
from earmark.text import percent


def template(package: str, name: str, *, what: str) -> Any:
    """Return the Jinja template `name` of `package`; it escapes what it is given and refuses names it is not given.

    Parameters
    ----------
    package, name
        ``"earmark.evaluation"``, ``"report.html.jinja"``.
    what
        What needs it, for the message: ``"a report"``.

    Raises
    ------
    MissingExtraError
        When Jinja or Matplotlib is not installed.
    """
    extras.require(what, "train", "jinja2", "matplotlib")
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = percent
    text = importlib.resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return environment.from_string(text)
