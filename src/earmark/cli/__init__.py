"""Command line: results on stdout, everything else on stderr, one sentence for each error.

Exit codes: 0 done, 1 the data or the model is bad, 2 the call is wrong, 130 interrupted.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from earmark import extras
from earmark.cli.output import complain
from earmark.errors import EarmarkError, MissingPartError
from earmark.text import printable

_INTERRUPTED = 130
_ABOUT = "Learn to recognise music from examples, by ear and by mark."

# Name to module and function, in the order of the help. A command is imported when it is called, so that predicting
# does not wait for the others, and one whose part of the package was removed does not stop them.
COMMANDS = {
    "samples": "samples:samples",
    "demo": "demo:demo",
    "predict": "predict:predict",
    "read": "read:read",
    "models": "models:models",
    "info": "models:info",
    "check": "check:check",
    "show": "show:show",
    "train": "train:train",
    "recipes": "train:recipes",
    "evaluate": "evaluate:evaluate",
    "add-rejection": "add_rejection:add_rejection",
    "guard": "add_rejection:add_rejection",
    "tune": "tune:tune",
    "find-rate": "tune:find_rate",
    "compare": "compare:compare",
    "submit": "submit:submit",
    "features": "features:features",
    "explore": "explore:explore",
    "denoise": "denoise:denoise",
    "listen": "listen:listen",
    "serve": "serve:serve",
    "bench": "bench:app",
}
_OLD_NAMES = frozenset({"guard"})


def make_app(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line with the command that `arguments` call; with all commands for help and for mistakes."""
    called = next((argument for argument in arguments if not argument.startswith("-")), None)
    app = typer.Typer(
        name="earmark",
        help=_ABOUT,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its panels double the time of --help and of every refusal
    )
    app.callback()(_options)
    for name in [called] if called in COMMANDS else COMMANDS:
        module, attribute = COMMANDS[name].split(":")
        command = getattr(import_module(f"earmark.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, hidden=name in _OLD_NAMES)(command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        import earmark

        print(f"earmark {earmark.__version__}")
        raise typer.Exit


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Learn to recognise music from examples, by ear and by mark."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _open_what_is_closed()
    _print_any_text()
    _log_to_stderr()
    # Accepted after the command as well, where one adds it to a line that just failed.
    debug = "--debug" in given
    sys.exit(_run([argument for argument in given if argument != "--debug"], debug=debug))


class _Printable(logging.Formatter):
    """Formatter of one line a record, whatever is in the names of files."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _log_to_stderr() -> None:
    """Print what the library has to say in the same voice as the commands."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Printable("earmark: %(message)s"))
    logger = logging.getLogger("earmark")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


def _open_what_is_closed() -> None:
    """Let streams that the caller has closed lead nowhere: the next file that is opened would take their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def _print_any_text() -> None:
    """Let what the console cannot show be escaped: names of files may hold bytes or letters that its encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: list[str], *, debug: bool) -> int:
    try:
        code = _exit_code(arguments)
        sys.stdout.flush()
    except EarmarkError as error:
        if debug:
            raise
        complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        _abandon_stdout()
        return 1
    except OSError as error:
        if debug:
            raise
        _abandon_stdout()
        complain(f"{error.filename or 'the output'}: {error.strerror}; choose another place or free some space")
        return 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        complain("interrupted")
    return code


def _exit_code(arguments: list[str]) -> int:
    try:
        # The commands import what they need; some of it comes with an extra.
        with extras.explained(" ".join(["earmark", *arguments[:1]])):
            make_app(arguments)(arguments, prog_name="earmark")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("earmark."):
            raise
        raise MissingPartError(" ".join(["earmark", *arguments[:1]]), str(error.name)) from error
    return 0


def _abandon_stdout() -> None:
    """Send what is still buffered nowhere: the interpreter would complain about it again on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
