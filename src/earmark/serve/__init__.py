"""HTTP service for recognizers: REST, a WebSocket and a page (the ``serve`` extra)."""

from earmark.serve.app import make_app
from earmark.serve.limits import Limits
from earmark.serve.models import model_files
from earmark.serve.server import make_server, refuse_taken

__all__ = ["Limits", "make_app", "make_server", "model_files", "refuse_taken"]
