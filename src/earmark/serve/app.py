"""ASGI application: predictions over REST, rolling answers over a WebSocket, and the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route

from earmark.errors import EarmarkError
from earmark.serve.describe import RECOGNIZER_BODY, about, predict_operation, read_operation
from earmark.serve.explain import explained
from earmark.serve.limits import AbandonedError, Limits
from earmark.serve.models import summary
from earmark.serve.pages import add_page
from earmark.serve.predict import CLIENT_GONE, Predict, PredictQuery
from earmark.serve.problems import PROBLEM_JSON, Problem, problem_of
from earmark.serve.read import Read, ReadQuery
from earmark.serve.service import Service

_PREDICT = "/v1/predict/{model}"
_READ = "/v1/read/{model}"

_LOOK_S = 1.0
"""Between looks whether a recognizer file was replaced."""


class _App(FastAPI):
    """Also describes the routes that are no functions of the framework, see `Predict` and `Read`."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["paths"][_PREDICT] = {"post": predict_operation(PredictQuery)}
        document["paths"][_READ] = {"post": read_operation(ReadQuery)}
        return document


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
        watching = asyncio.create_task(_reload_changed(service))
        yield
        watching.cancel()
        service.close()

    app = _App(**about(), lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    app.state.service = service
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    _answer_errors(app)
    app.router.routes.append(Route(_PREDICT, Predict(service), methods=["POST"]))
    app.router.routes.append(Route(_READ, Read(service).__call__, methods=["POST"]))
    _add_info(app, service)
    add_page(app)

    @app.post("/v1/explain/{model}", summary="What the answer to one input rests on")
    async def explain(request: Request, model: str) -> dict[str, Any]:
        service.check_token(request)
        recognizer, limits = service.models[model].recognizer, service.limits
        content_type = request.headers.get("content-type", "")
        with service.admission.admitted():
            async with service.admission.body(request) as body:
                work = partial(explained, recognizer, body, content_type, limits=limits)
                return await service.admission.work(request, work)

    @app.websocket("/v1/listen")
    async def listen(socket: WebSocket) -> None:
        await service.streams.run(socket)

    return app


async def _reload_changed(service: Service) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        await asyncio.to_thread(service.models.reload_changed)


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
        return Response(status_code=CLIENT_GONE)

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
        cards = service.models.cards()
        return {
            "models": {name: summary(card) for name, card in cards.items()},
            "takes_own": service.models.takes_own,
        }

    @app.put("/v1/models/{name}", summary="Bring a recognizer file", status_code=201, openapi_extra=RECOGNIZER_BODY)
    async def bring(request: Request, name: str) -> dict[str, Any]:
        service.check_token(request)
        with service.admission.admitted():
            async with service.admission.body(request) as file:
                await service.admission.work(request, lambda: service.models.bring(name, file))
        return summary(service.models[name].recognizer.card)
