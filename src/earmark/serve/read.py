"""Reading endpoint, ``POST /v1/read/{model}``: strokes of a line in, symbols, print and MusicXML out."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from earmark.config import Config
from earmark.errors import DataError, EarmarkError
from earmark.ink.strokes import stroke_text
from earmark.notation import engrave, write_musicxml
from earmark.recognizer import Recognizer
from earmark.recognizer.line.inputs import line_input
from earmark.recognizer.line.output import line_as_dict
from earmark.serve.problems import Problem, problem_of
from earmark.serve.service import Service
from earmark.types import Image, Ink

Wanted: TypeAlias = Literal["symbols", "musicxml", "homus"]


class ReadQuery(Config):
    """Query parameters of a reading.

    Attributes
    ----------
    top
        Labels for each symbol.
    wanted
        ``"symbols"``: labels, strokes and boxes, with the line in print as SVG. ``"musicxml"``: the line as music.
        ``"homus"``: the symbols that the request names, as a folder of labelled drawings in a zip.
    """

    top: int = Field(default=5, ge=1, le=1000)
    wanted: Wanted = "symbols"


def read_body(recognizer: Recognizer, body: bytes, query: ReadQuery) -> tuple[bytes, str]:
    """Return the answer to a request and its media type.

    Parameters
    ----------
    body
        JSON with ``strokes``, and if there are any ``staff`` and ``known``.

    Raises
    ------
    Problem, DataError, UsageError
        When it is no such JSON, or cannot be read.
    """
    try:
        values = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(422, f"the body is not JSON ({error}); correct it") from error
    if not isinstance(values, Mapping):
        raise Problem(422, 'the body is not a line; send {"strokes": [[[x, y], …], …]}')
    if query.wanted == "homus":
        return homus_zip(values), "application/zip"
    line = recognizer.read(values, top=query.top, name="line")
    if query.wanted == "musicxml":
        return write_musicxml(line).encode(), "application/vnd.recordare.musicxml+xml"
    answer = {**line_as_dict(line), "svg": engrave(line)}
    return json.dumps(answer, ensure_ascii=False).encode(), "application/json"


WRITER = "own"
"""The name of the writer in a zip of labelled drawings."""


def homus_zip(values: Mapping[str, Any]) -> bytes:
    """Return the symbols that a person has named as a zip of the layout of HOMUS.

    Parameters
    ----------
    values
        ``{"lines": [{"strokes": …, "known": …}, …]}``, or one such line.

    Raises
    ------
    DataError
        When there is no line with a named symbol.
    """
    lines = values["lines"] if isinstance(values.get("lines"), list) else [values]
    written = io.BytesIO()
    number = 0
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for line in map(line_input, lines):
            if isinstance(line.content, Image):
                continue
            for label, group in line.known:
                number += 1
                drawing = Ink(tuple(line.content.strokes[stroke] for stroke in group))
                archive.writestr(f"{WRITER}/{WRITER}-{number}.txt", stroke_text(label, drawing))
    if not number:
        raise DataError('no symbol is named; send lines with "known", the labels of some strokes')
    return written.getvalue()


class Read:
    """The route; it reads its body itself, within the limits of the service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Response:
        """Answer a request, or raise why it cannot be answered."""
        service, began_s, status = self._service, time.monotonic(), 500
        service.check_token(request)
        model = request.path_params["model"]
        recognizer = service.models[model].recognizer
        try:
            query = ReadQuery.parse(dict(request.query_params), where="the query")
            with service.admission.admitted():
                async with service.admission.body(request) as body:
                    task = partial(read_body, recognizer, body, query)
                    answer, media_type = await service.admission.work(request, task)
            status = 200
        except Problem as problem:
            status = problem.status
            raise
        except EarmarkError as error:
            status = problem_of(error).status
            raise
        finally:
            service.metrics.answered(model, status, time.monotonic() - began_s)
        return Response(answer, media_type=media_type)
