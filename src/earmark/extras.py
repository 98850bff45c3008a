"""Optional dependencies: the one way to ask for an extra."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from earmark.errors import MissingExtraError

MODULES = {
    "train": frozenset(
        {"jinja2", "matplotlib", "mir_eval", "numba", "onnx", "onnxscript", "optuna", "pyarrow", "safetensors"}
        | {"sklearn", "tensorboard", "threadpoolctl", "timm", "torch"}
    ),
    "av": frozenset({"av"}),
    "cluster": frozenset({"fsspec", "ray", "s3fs", "upath"}),
    "live": frozenset({"sounddevice"}),
    "serve": frozenset(
        {"fastapi", "httptools", "prometheus_client", "python_multipart", "starlette", "uvicorn", "websockets"}
    ),
}
"""What each extra brings, by the names that are imported."""


def require(what: str, extra: str, *modules: str) -> None:
    """Raise `MissingExtraError` unless all `modules` of `extra` are installed.

    Parameters
    ----------
    what
        What needs them, for the message: ``"training"``.
    extra
        As in ``pip install 'earmark[train]'``.
    """
    if not all(map(installed, modules)):
        raise MissingExtraError(what, extra)


def installed(module: str) -> bool:
    """Return whether a top-level module can be imported, without importing it.

    >>> installed("numpy"), installed("no_such_module")
    (True, False)
    """
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the failed import of a module that an extra brings into `MissingExtraError`.

    For whole commands; who knows which modules are needed calls `require` before the work begins.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        extra = next((extra for extra, modules in MODULES.items() if name in modules), None)
        if extra is None:
            raise
        raise MissingExtraError(what, extra) from error
