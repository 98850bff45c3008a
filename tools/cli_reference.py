"""Write docs/reference/cli.md, the reference of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from earmark.cli import make_app

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
WIDTH = 80  # as many fit beside the two lists of contents
INTRODUCTION = """\
# The command line

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 the data or the model is bad, 2 the call is
wrong, 130 interrupted. `--debug` shows where an error comes from.

`python tools/cli_reference.py` writes this page from the code.
"""


def reference() -> str:
    """Return the page: the help of every command that is not hidden."""
    app = typer.main.get_command(make_app([]))
    return "\n".join([INTRODUCTION, *_sections(app, ["earmark"])])


def _sections(group: Any, path: list[str]) -> Iterator[str]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        called = [*path, name]
        if hasattr(command, "commands"):
            yield from _sections(command, called)
        else:
            context = command.context_class(command, info_name=" ".join(called), terminal_width=WIDTH)
            text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
            yield f"## {' '.join(called)}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"written: {PAGE}")
