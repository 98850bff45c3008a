"""How loops are compiled. Imported only where numba is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

# Only fused multiply-add is allowed, so that results stay the same whatever the compiler does with the order of sums.
_FAST = {"contract"}


def kernel(function: F) -> F:
    """Compile `function` on its first call and keep the result on disk, where there is a place to keep it."""
    try:
        return cast("F", numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")(function))
    except RuntimeError:  # neither the package's nor the user's cache folder can be written to
        return cast("F", numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")(function))


def inline(function: F) -> F:
    """Compile `function` into its callers."""
    return cast("F", numba.njit(forceinline=True, fastmath=_FAST, error_model="numpy")(function))
