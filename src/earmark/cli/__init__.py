"""The command line: results on stdout, everything else on stderr, one sentence for what goes wrong.

Exit codes: 0 done, 1 the data or the model is bad, 2 the call is wrong, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from earmark import extras
from earmark.cli import (
    add_rejection,
    bench,
    check,
    compare,
    demo,
    denoise,
    evaluate,
    explore,
    features,
    listen,
    models,
    predict,
    serve,
    submit,
    train,
    tune,
)
from earmark.cli.output import complain
from earmark.errors import EarmarkError

_INTERRUPTED = 130

app = typer.Typer(
    name="earmark",
    help="Learn to recognise music from examples, by ear and by mark.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("predict")(predict.predict)
app.command("models")(models.models)
app.command("info")(models.info)
app.command("check")(check.check)
app.command("train")(train.train)
app.command("recipes")(train.recipes)
app.command("evaluate")(evaluate.evaluate)
app.command("add-rejection")(add_rejection.add_rejection)
app.command("guard", hidden=True)(add_rejection.add_rejection)  # its old name
app.command("tune")(tune.tune)
app.command("find-rate")(tune.find_rate)
app.command("compare")(compare.compare)
app.command("submit")(submit.submit)
app.command("features")(features.features)
app.command("explore")(explore.explore)
app.command("denoise")(denoise.denoise)
app.command("listen")(listen.listen)
app.command("serve")(serve.serve)
app.add_typer(bench.app, name="bench")


def _print_version(wanted: bool) -> None:
    if wanted:
        import earmark

        print(f"earmark {earmark.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Learn to recognise music from examples, by ear and by mark."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _log_to_stderr()
    # Accepted after the command as well, where one adds it to a line that just failed.
    debug = "--debug" in given
    sys.exit(_run([argument for argument in given if argument != "--debug"], debug=debug))


def _log_to_stderr() -> None:
    """Print what the library has to say in the same voice as the commands."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("earmark: %(message)s"))
    logging.getLogger("earmark").handlers = [handler]


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
            app(arguments, prog_name="earmark")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _abandon_stdout() -> None:
    """Send what is still buffered nowhere: the interpreter would complain about it again on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
