"""Static files of the web page, which needs nothing from elsewhere."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_HEADERS = {
    # Nothing is fetched from elsewhere, and nothing is sent or framed anywhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/`` and its parts under ``/page``."""
    folder = resources.files("earmark.serve").joinpath("page")
    parts = [*folder.iterdir(), *resources.files("earmark.notation").iterdir()]
    files = {item.name: item.read_bytes() for item in parts if Path(item.name).suffix in _TYPES}

    async def part(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers=_HEADERS)

    app.add_route("/", part, include_in_schema=False)
    app.add_route("/page/{name}", part, include_in_schema=False)
