"""Turn an out-of-memory error of CPU or GPU into advice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

from earmark.errors import ModelError

P = ParamSpec("P")
T = TypeVar("T")


def explains_memory(function: Callable[P, T]) -> Callable[P, T]:
    """Return `function`, raising `ModelError` that names the fields to lower when memory runs out."""

    @wraps(function)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (MemoryError, RuntimeError) as error:
            # On a CPU torch raises a plain RuntimeError; its OutOfMemoryError is one too.
            known = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
            if not known:
                raise
            raise ModelError(
                "memory ran out; lower training.batch_size, model.size or the widths of [model], or raise "
                "training.accumulate, which computes a step in pieces"
            ) from error

    return explaining
