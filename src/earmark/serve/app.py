"""The service: predictions over REST, rolling answers over a WebSocket, and the page."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Request, WebSocket
from fastapi import Path as InPath
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from earmark.config import Config
from earmark.errors import EarmarkError
from earmark.recognizer import Recognizer, as_dict
from earmark.serve.admission import Admission
from earmark.serve.describe import PREDICT_BODY, PREDICT_RESPONSES, about, query_parameters
from earmark.serve.inputs import JSON, Item, content_of, items_of
from earmark.serve.limits import AbandonedError, Limits
from earmark.serve.metrics import Metrics
from earmark.serve.models import Models, summary
from earmark.serve.pages import add_page
from earmark.serve.problems import PROBLEM_JSON, Problem, problem_of
from earmark.serve.stream import Streams
from earmark.serve.together import SMALL_BYTES, Small
from earmark.types import Content

_CLIENT_GONE = 499


class Service:
    """What the requests of one application share."""

    def __init__(self, files: Mapping[str, Path], *, limits: Limits, n_threads: int, tokens: Iterable[str]) -> None:
        self.limits, self.tokens = limits, tuple(token.encode() for token in tokens)
        self.metrics = Metrics()
        self.models = Models(files, metrics=self.metrics, n_threads=n_threads)
        self.admission = Admission(limits)
        self.streams = Streams(self.models, limits=limits, metrics=self.metrics, is_allowed=self.is_allowed)

    def is_allowed(self, token: str | None) -> bool:
        """Whether a token is one of those given, or none is needed; in a time that says nothing about it."""
        given = (token or "").encode()
        return not self.tokens or True in [hmac.compare_digest(given, known) for known in self.tokens]

    def check_token(self, request: Request) -> None:
        """Raise `Problem` (401) for a request without a bearer token that is needed."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not self.is_allowed(token if scheme.lower() == "bearer" else None):
            raise Problem(
                401,
                "this service needs a token; send it as 'Authorization: Bearer TOKEN'",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def close(self) -> None:
        """End all threads."""
        self.admission.close()
        self.models.close()


def make_app(
    files: Mapping[str, Path],
    *,
    limits: Limits | None = None,
    n_threads: int = 1,
    tokens: Iterable[str] = (),
    hosts: Iterable[str] = ("127.0.0.1", "localhost", "[::1]"),
) -> FastAPI:
    """Return the application that serves some recognizers.

    Parameters
    ----------
    files
        Name to recognizer file.
    limits
        What it takes on.
    n_threads
        CPU threads of every network.
    tokens
        Bearer tokens, one of which every request under ``/v1`` must carry; none are needed when there are none.
    hosts
        Values of the ``Host`` header that are answered, so that no foreign page reaches a local service by a name of
        its own; ``"*"`` for any.

    Raises
    ------
    ModelError
        When one of the files is not a recognizer.
    """
    service = Service(files, limits=limits or Limits(), n_threads=n_threads, tokens=tokens)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(**about(), lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.service = service
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    _answer_errors(app)
    _add_info(app, service)
    _add_predict(app, service)
    add_page(app)

    @app.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        await service.streams.run(socket)

    return app


def _answer_errors(app: FastAPI) -> None:
    def answer(problem: Problem) -> JSONResponse:
        return JSONResponse(
            problem.as_dict(), status_code=problem.status, headers=problem.headers, media_type=PROBLEM_JSON
        )

    async def on_problem(_: Request, error: Exception) -> Response:
        return answer(error if isinstance(error, Problem) else Problem(500, "something went wrong inside; see the log"))

    async def on_earmark(_: Request, error: Exception) -> Response:
        return answer(problem_of(error) if isinstance(error, EarmarkError) else Problem(500, str(error)))

    async def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(getattr(error, "headers", None) or {})
        return answer(
            Problem(status, f"{request.method} {request.url.path} is not served; see /v1/openapi.json", headers=headers)
        )

    async def on_gone(_: Request, __: Exception) -> Response:
        return Response(status_code=_CLIENT_GONE)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(EarmarkError, on_earmark)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(AbandonedError, on_gone)
    app.add_exception_handler(Exception, on_problem)


def _add_info(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", summary="Whether the service is there")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "models": list(service.models.cards())}

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models", summary="The models and what they know")
    async def models(request: Request) -> dict[str, Any]:
        service.check_token(request)
        return {"models": {name: summary(card) for name, card in service.models.cards().items()}}


class Question(Config):
    """What the query of a prediction asks.

    Attributes
    ----------
    top
        Answers for each input.
    timeline
        Also answer for every window of a sound.
    force
        Give the best label even where the recognizer would decline.
    sample_rate_hz
        The body is raw float32 samples at this rate.
    """

    top: int = Field(default=5, ge=1, le=1000)
    timeline: bool = False
    force: bool = False
    sample_rate_hz: int | None = Field(default=None, ge=1000, le=768_000)

    @property
    def options(self) -> dict[str, Any]:
        """For the recognizer."""
        return {"top": self.top, "timeline": self.timeline, "force": self.force}


def _add_predict(app: FastAPI, service: Service) -> None:
    # The query is read by us: the framework's way to do it takes as long as all else that it does.
    described = {**PREDICT_BODY, "parameters": query_parameters(Question)}

    @app.post("/v1/predict/{model}", summary="Recognise", openapi_extra=described, responses=PREDICT_RESPONSES)
    async def predict(request: Request, model: Annotated[str, InPath(description="One of /v1/models.")]) -> Response:
        began_s, status = time.monotonic(), 500
        service.check_token(request)
        recognizer = service.models[model]
        service.metrics.in_flight.inc()
        try:
            question = Question.parse(dict(request.query_params), where="the query")
            answer = await _predict(service, request, recognizer, question)
            status = 200
        except Problem as problem:
            status = problem.status
            raise
        except EarmarkError as error:
            status = problem_of(error).status
            raise
        except AbandonedError:
            status = _CLIENT_GONE
            service.metrics.abandoned.inc()
            raise
        finally:
            service.metrics.in_flight.dec()
            service.metrics.requests.labels(model, str(status)).inc()
            service.metrics.seconds.labels(model).observe(time.monotonic() - began_s)
        return JSONResponse(answer)


async def _predict(service: Service, request: Request, recognizer: Recognizer, question: Question) -> dict[str, Any]:
    """Return one prediction, or ``{"results": …}`` when the request holds several inputs."""
    admission, limits = service.admission, service.limits
    content_type = request.headers.get("content-type", "")

    def content(item: Item) -> Content | bytes:
        return content_of(item, recognizer.card, limits=limits, sample_rate_hz=question.sample_rate_hz)

    def answer(item: Item) -> dict[str, Any]:
        return as_dict(recognizer.predict(content(item), name=item.name, **question.options))

    def answer_all(body: bytes) -> dict[str, Any]:
        items = items_of(body, content_type, limits=limits)
        if len(items) == 1:
            return answer(items[0])
        return {"results": [_forgiving(answer, item) for item in items]}

    async with admission.admitted(), admission.body(request) as body:
        # A file may be small and yet hold much; samples and strokes are what they are.
        is_plain = question.sample_rate_hz is not None or content_type == JSON
        if is_plain and len(body) <= SMALL_BYTES and not question.timeline:
            items = items_of(body, content_type, limits=limits)
            if len(items) == 1:
                item = items[0]
                future = asyncio.get_running_loop().create_future()
                small = Small(lambda: content(item), item.name, question.options, admission.begin(), future)
                together = service.models.together[request.path_params["model"]]
                return await admission.work_together(request, together, small)
        return await admission.work(request, lambda: answer_all(body))


def _forgiving(answer: Any, item: Item) -> dict[str, Any]:
    """Answer one input of several; a bad one is answered with its problem."""
    try:
        result: dict[str, Any] = answer(item)
    except Problem as problem:
        if problem.status == 504:
            raise
        return {"input": item.name, "problem": problem.as_dict()}
    except EarmarkError as error:
        return {"input": item.name, "problem": problem_of(error).as_dict()}
    return result
