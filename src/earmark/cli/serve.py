"""``earmark serve``: run the HTTP service and its page."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark import extras
from earmark.cli.output import complain
from earmark.errors import DataError, ModelError, UsageError

if TYPE_CHECKING:
    from earmark.serve import Limits

_LOCAL = ("127.0.0.1", "localhost", "::1")
_TOKENS_VARIABLE = "EARMARK_TOKENS"


def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="NAME, FILE.onnx, RUN or NAME=FILE; all built-in recognizers unless given."),
    ] = None,
    *,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; any other than this one needs tokens.")
    ] = _LOCAL[0],
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads of each network.")] = 1,
    token_file: Annotated[
        Path | None,
        typer.Option("--tokens", help=f"File of access tokens, one on each line; or set {_TOKENS_VARIABLE}."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option("--name", help="A further host name under which clients reach the service.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--limit", metavar="KEY=VALUE", help="Change a limit: --limit duration_s=60.")
    ] = None,
) -> None:
    """Serve recognizers: a web page, REST and a WebSocket.

    Stop with Ctrl-C or SIGTERM.
    """
    from earmark.recognizer import zoo

    extras.require("the service", "serve", *extras.MODULES["serve"])
    from earmark.serve import make_app, make_server, model_files, refuse_taken

    tokens = _tokens(token_file)
    if host not in _LOCAL and not tokens:
        raise UsageError(f"--host {host} can be reached from other machines; give tokens with --tokens FILE")
    given = models or list(zoo())
    if not given:
        raise ModelError("no recognizer is built in; give the file or the run of one")
    limits = _limits(changes or [])
    files = model_files(given)
    refuse_taken(host, port)
    names = {*_LOCAL, host, "[::1]", *(name or ())} if host in _LOCAL or name else {"*"}
    app = make_app(files, limits=limits, n_threads=threads, tokens=tokens, hosts=names)
    address = f"[{host}]" if ":" in host else host
    complain(f"{', '.join(files)} at http://{address}:{port}/")
    # The server finishes what was begun, then repeats the signal, which must not end us with an error.
    signal.signal(signal.SIGTERM, lambda *_: None)
    make_server(app, host=host, port=port, limits=limits).run()


def _tokens(file: Path | None) -> list[str]:
    if file is None:
        text = os.environ.get(_TOKENS_VARIABLE, "")
    else:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: the tokens cannot be read ({error}); give text, one token a line") from error
    tokens = text.split()
    if file is not None and not tokens:
        raise UsageError(f"{file}: holds no token; write one a line")
    return tokens


def _limits(changes: list[str]) -> Limits:
    from earmark.config import apply_overrides
    from earmark.serve import Limits

    return Limits.parse(apply_overrides({}, changes), where="--limit")
