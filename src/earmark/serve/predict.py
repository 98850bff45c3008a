"""Prediction endpoint, ``POST /v1/predict/{model}``: one input or several in, predictions out."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field
from pydantic_core import to_json
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from earmark.config import Config
from earmark.errors import EarmarkError
from earmark.features import WindowFeatures
from earmark.notes import midi_bytes
from earmark.recognizer import Recognizer, as_dict
from earmark.recognizer.windows import WindowBatch
from earmark.serve.event_loop_batcher import EventLoopBatcher
from earmark.serve.inputs import JSON, Item, content_of, items_of
from earmark.serve.limits import CURRENT_WORK, AbandonedError, Limits
from earmark.serve.problems import Problem, problem_of
from earmark.serve.service import Service
from earmark.types import Content

CLIENT_GONE = 499
MIDI = "audio/midi"

_SMALL_BYTES, _SMALL_S = 1 << 17, 5
"""Raw samples that are small: their bytes, and how long they last."""

_SMALL_JSON_BYTES = 1 << 12
"""Some hundred points, or half a second of samples."""


class PredictQuery(Config):
    """Query parameters of a prediction.

    Attributes
    ----------
    top
        Answers for each input.
    timeline
        Also answer for every window of a sound.
    force
        Give the best label even where the recognizer would answer ``unknown``.
    sample_rate_hz
        The body is raw float32 samples at this rate.
    name
        What the answer and messages call a body that is one file.
    wanted
        ``"answer"``: JSON. ``"midi"``: the notes of one recording as a standard MIDI file.
    """

    top: int = Field(default=5, ge=1, le=1000)
    timeline: bool = False
    force: bool = False
    sample_rate_hz: int | None = Field(default=None, ge=1000, le=768_000)
    name: str | None = Field(default=None, min_length=1, max_length=255)
    wanted: Literal["answer", "midi"] = "answer"

    @property
    def options(self) -> dict[str, Any]:
        """For the recognizer."""
        return {"top": self.top, "timeline": self.timeline, "force": self.force}


@lru_cache(maxsize=256)
def _parsed(query: bytes) -> PredictQuery:
    """Read a query; most clients send the same one again and again."""
    return PredictQuery.parse(dict(QueryParams(query)), where="the query")


class Predict:
    """The ASGI application behind the route; as a function of the framework it would take as long as all else."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or raise why it cannot be answered."""
        service, request = self._service, Request(scope, receive)
        began_s, status, model = time.monotonic(), 500, scope["path_params"]["model"]
        service.check_token(request)
        served = service.models[model]  # one that is not there is not counted
        try:
            query = _parsed(scope["query_string"])
            job = _PredictRequest(served.recognizer, query, service.limits)
            answer = await self._answer(request, job, served.batcher)
            status = 200
        except Problem as problem:
            status = problem.status
            raise
        except EarmarkError as error:
            status = problem_of(error).status
            raise
        except AbandonedError:
            status = CLIENT_GONE
            service.metrics.abandoned.inc()
            raise
        finally:
            service.metrics.answered(model, status, time.monotonic() - began_s)
        if isinstance(answer, bytes):
            response = Response(answer, media_type=MIDI)
        else:
            response = Response(to_json(answer), media_type=JSON)
        await response(scope, receive, send)

    async def _answer(
        self, request: Request, job: _PredictRequest, batcher: EventLoopBatcher
    ) -> dict[str, Any] | bytes:
        """Return one prediction, ``{"results": …}`` when the request holds several inputs, or a MIDI file."""
        admission, content_type = self._service.admission, request.headers.get("content-type", "")
        with admission.admitted():
            async with admission.body(request) as body:
                if job.query.wanted == "midi":
                    return await admission.work(request, lambda: job.midi(body, content_type))
                items = job.items(body, content_type) if job.is_small(body, content_type) else []
                if len(items) != 1:
                    return await admission.work(request, lambda: job.answer_all(body, content_type))
                token, (item,) = admission.begin(), items
                CURRENT_WORK.set(token)
                answer = batcher.answer(job.cut(item), item.name, job.query.options)
                try:
                    return await admission.watched(request, token, answer)
                finally:
                    answer.cancel()


@dataclass(frozen=True, slots=True)
class _PredictRequest:
    """One request: the recognizer, the query, and how bodies become predictions."""

    recognizer: Recognizer
    query: PredictQuery
    limits: Limits

    def is_small(self, body: bytes, content_type: str) -> bool:
        """Whether all but the network takes a few milliseconds at most; what a file holds its size does not tell."""
        rate_hz = self.query.sample_rate_hz
        if self.query.timeline or isinstance(self.recognizer.card.features, WindowFeatures):
            return False
        if rate_hz is not None:
            return len(body) <= min(_SMALL_BYTES, 4 * _SMALL_S * rate_hz)
        return content_type == JSON and len(body) <= _SMALL_JSON_BYTES

    def items(self, body: bytes, content_type: str) -> list[Item]:
        items = items_of(body, content_type, limits=self.limits)
        return items if self.query.name is None or len(items) != 1 else [replace(items[0], name=self.query.name)]

    def cut(self, item: Item) -> WindowBatch:
        return WindowBatch.joined(self.recognizer.cut(self.content(item)))

    def content(self, item: Item) -> Content | bytes:
        rate_hz = self.query.sample_rate_hz
        return content_of(item, self.recognizer.card, limits=self.limits, sample_rate_hz=rate_hz)

    def answer(self, item: Item) -> dict[str, Any]:
        return as_dict(self.recognizer.predict(self.content(item), name=item.name, **self.query.options))

    def midi(self, body: bytes, content_type: str) -> bytes:
        """Return the notes of one recording as a MIDI file."""
        if self.recognizer.card.frames is None:
            raise Problem(400, f"model {self.recognizer.card.name!r} names no notes; for MIDI ask one of piano keys")
        items = self.items(body, content_type)
        if len(items) != 1:
            raise Problem(400, f"a MIDI file is of one recording, and here are {len(items)}; send one at a time")
        prediction = self.recognizer.predict(
            self.content(items[0]), name=items[0].name, timeline=True, force=self.query.force
        )
        return midi_bytes(prediction.notes or ())

    def answer_all(self, body: bytes, content_type: str) -> dict[str, Any]:
        items = self.items(body, content_type)
        if len(items) == 1:
            return self.answer(items[0])
        return {"results": [self._answer_or_problem(item) for item in items]}

    def _answer_or_problem(self, item: Item) -> dict[str, Any]:
        """Answer one input of several; a bad one is answered with its problem."""
        try:
            return self.answer(item)
        except Problem as problem:
            if problem.status == 504:
                raise
            return {"input": item.name, "problem": problem.as_dict()}
        except EarmarkError as error:
            return {"input": item.name, "problem": problem_of(error).as_dict()}
