"""Ray tasks as the engine of `earmark.parallel`.

Ray decides where a chunk runs, starts processes and ends them, and runs a chunk again when its node is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from earmark.parallel import THREAD_COUNTS

R = TypeVar("R")

_N_RETRIES = 1
"""How often Ray repeats a chunk whose process or node died: an item is the cause when it was alone, twice."""

_held: dict[str, Callable[[Any], Any]] = {}  # of this worker process: the last function it was given


class RayEngine:
    """Chunks as Ray tasks of one core each, on a cluster that this process is connected to."""

    isolates: bool = True

    def __init__(self) -> None:
        import ray
        from ray import exceptions

        self.crashes: tuple[type[BaseException], ...] = (
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
            exceptions.LocalRayletDiedError,
        )
        self._task_error = exceptions.RayTaskError
        self._task = ray.remote(num_cpus=1, max_retries=_N_RETRIES)(run_chunk)

    def n_workers(self, asked: int) -> int:
        """Return the cores of the cluster, as many as it has now."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]

    @contextmanager
    def pool(self, fn: Callable[[Any], Any], workers: int) -> Iterator[Callable[[Sequence[Any]], Future[list[Any]]]]:
        """Give a function that submits a chunk; `fn` travels once to each node, and is kept by each process."""
        import ray

        held = ray.put(fn)
        running: dict[Future[list[Any]], Any] = {}

        def submit(chunk: Sequence[Any]) -> Future[list[Any]]:
            task = self._task.remote([held], list(chunk))
            future: Future[list[Any]] = task.future()
            running[future] = task
            future.add_done_callback(lambda done: running.pop(done, None))
            return future

        try:
            yield submit
        except BaseException:
            for task in list(running.values()):
                ray.cancel(task, force=True)
            raise

    def result(self, future: Future[list[R]]) -> list[R]:
        """Return the results of a chunk, or raise what its function raised, without Ray's account of where."""
        try:
            return future.result()
        except self._task_error as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, BaseException):
                raise cause from None
            raise


def run_chunk(held: Sequence[Any], chunk: Sequence[Any]) -> list[Any]:
    """Return the results of a chunk; runs in a process of the cluster.

    Parameters
    ----------
    held
        The reference to the function, in a list so that Ray leaves it to this process to fetch it once.
    """
    import ray

    # Read by numerical libraries when they are loaded, which the function does.
    os.environ.update(dict.fromkeys(THREAD_COUNTS, "1"))
    (reference,) = held
    name = reference.hex()
    if name not in _held:
        _held.clear()
        _held[name] = ray.get(reference)
    return [_held[name](item) for item in chunk]
