"""Data-parallel training, equal to a single process: under ``torchrun`` each computes its rows of every batch.

All draw the same order, views, crops, augmentations and dropout for the whole batch. Batch norm sees the whole batch,
gradients are summed, and the first process writes. A process that is alone finds that everything here does nothing.
"""

# Not torch's DistributedDataParallel, because one process and many shall make the same recognizer: SyncBatchNorm takes
# no tensors of a CPU, and dropout and mixup would be drawn by each process for itself. Measured with a small network
# with batch norm, in two processes on one machine, by gloo: after 24 steps the weights differ from those of one process
# by 7e-7 at most here, and by 0.10 under DistributedDataParallel (0.17 with dropout). The price, on a busy machine with
# two cores: a step takes three to six times as long (190 to 310 ms for 40 to 65), as every norm exchanges its sums.

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed as dist
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from earmark.errors import ModelError

ENDED = (
    "another process of this training has ended or was stopped; its own message says why: mend that and give the same "
    "command again, which goes on after the last whole epoch"
)
# The others wait while the first makes features, scores and reports.
PATIENCE = timedelta(hours=6)
DROPOUTS = (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d)


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that ``torchrun`` has started, by NCCL where each has a GPU of its own and by gloo elsewhere.

    Does nothing in a process that is alone or has joined already.

    Raises
    ------
    ModelError
        When another process ends before its time.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ or n_processes() > 1:
        yield
        return
    n_gpus = torch.cuda.device_count()
    own_gpu = None
    if n_gpus:
        place = int(os.environ.get("LOCAL_RANK", "0")) % n_gpus
        torch.cuda.set_device(place)
        if n_gpus >= int(os.environ.get("LOCAL_WORLD_SIZE", "1")):
            own_gpu = torch.device("cuda", place)
    dist.init_process_group("nccl" if own_gpu else "gloo", timeout=PATIENCE, device_id=own_gpu)
    if not is_first():
        logging.getLogger("earmark").setLevel(logging.ERROR)  # one warning of each is enough
    try:
        with _stopped_in_words():
            yield
    except RuntimeError as error:
        if not _is_broken_line(error):
            raise
        raise ModelError(ENDED) from error
    finally:
        dist.destroy_process_group()


def n_processes() -> int:
    """Return how many processes have joined; 1 is alone."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Tell whether this process is the one that writes."""
    return _rank() == 0


def wait() -> None:
    """Wait until every process has come here."""
    if n_processes() > 1:
        dist.barrier()


@contextmanager
def first_ahead() -> Iterator[None]:
    """Let the first process go through alone, and the others after it."""
    if not is_first():
        wait()
    yield
    if is_first():
        wait()


def local_part(items: Any) -> Any:
    """Return this process's part of a tensor, array or sequence: a stretch of it, of near-equal length for all."""
    first, last = (len(items) * (_rank() + i) // n_processes() for i in (0, 1))
    return items[first:last]


def local_rows(n_rows: int, *, n_pieces: int) -> npt.NDArray[np.int64]:
    """Return which rows of a batch this process computes: its part of every piece that the step is taken in."""
    pieces = np.array_split(np.arange(n_rows), min(n_pieces, n_rows))
    return np.concatenate([local_part(piece) for piece in pieces])


def sum_over_processes(tensor: torch.Tensor) -> torch.Tensor:
    """Return the sum over all processes; `tensor` may be overwritten."""
    if n_processes() == 1:
        return tensor
    # NCCL reads the memory of GPUs only.
    there = tensor.cuda() if dist.get_backend() == "nccl" else tensor
    dist.all_reduce(there)
    return there.to(tensor.device)


def sum_gradients(network: nn.Module) -> None:
    """Add up the gradients of all processes, so that each takes the step of the whole batch."""
    if n_processes() == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    for work in [dist.all_reduce(gradient, async_op=True) for gradient in gradients]:
        work.wait()


def whole_batch(pictures: torch.Tensor, *, n_rows: int, n_pieces: int, exchange: bool) -> torch.Tensor:
    """Return a batch of `n_rows` with this process's rows in their places.

    Parameters
    ----------
    pictures
        The rows `local_rows`.
    exchange
        Fetch the rows of the others, which an augmentation may mix with ours; else they stay zero.
    """
    if n_processes() == 1:
        return pictures
    whole = pictures.new_zeros(n_rows, *pictures.shape[1:]).contiguous(memory_format=torch.channels_last)
    whole[torch.from_numpy(local_rows(n_rows, n_pieces=n_pieces)).to(whole.device)] = pictures
    return sum_over_processes(whole) if exchange else whole


def layers_of_whole(n_rows: int) -> AbstractContextManager[Any]:
    """Let batch norm and dropout work as if this process computed all `n_rows` and not only its `own`."""
    return nullcontext() if n_processes() == 1 else _LayersOfWhole(n_rows)


class _LayersOfWhole(TorchFunctionMode):
    """Replaces the two kinds of layers that know more than one example, whichever module calls them."""

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        self.n_rows = n_rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            return _batch_norm(*args, **kwargs)
        if func in DROPOUTS:
            return _dropout(func, self.n_rows, *args, **kwargs)
        return func(*args, **kwargs)


def _dropout(
    func: Callable[..., torch.Tensor],
    n_rows: int,
    x: torch.Tensor,
    p: float = 0.5,
    training: bool = True,  # noqa: FBT001, FBT002
    inplace: bool = False,  # noqa: ARG001, FBT001, FBT002 - of functional.dropout
) -> torch.Tensor:
    """Draw for the whole batch, as one process would, and keep what concerns our rows."""
    if not training or p == 0:
        return x
    sides = x.shape[2:] if func is functional.dropout else (1,) * (x.ndim - 2)
    mask = x.new_ones(n_rows, *x.shape[1:2], *sides)
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        mask = mask.contiguous(memory_format=torch.channels_last)  # random numbers are drawn in the order of memory
    kept: torch.Tensor = local_part(func(mask, p=p))
    return x * kept


def _batch_norm(  # noqa: PLR0913, PLR0917 - the signature of functional.batch_norm
    x: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,  # noqa: FBT001, FBT002
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    if not training:
        return functional.batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    normal: torch.Tensor
    normal, mean, variance, count = _SharedNorm.apply(x, eps)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * count / (count - 1), momentum)
    if weight is not None and bias is not None:
        normal = normal * _by_channel(weight, x) + _by_channel(bias, x)
    return normal.to(x.dtype)


class _SharedNorm(torch.autograd.Function):
    """Bring every channel to mean 0 and variance 1 over the rows of all processes (Ioffe & Szegedy 2015)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, eps: float) -> tuple[torch.Tensor, ...]:
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        dims = [0, *range(2, x.ndim)]
        total = sum_over_processes(torch.cat([x.sum(dims), x.new_tensor([x.numel() / x.shape[1]])]))
        mean, count = total[:-1] / total[-1], total[-1]
        centred = x - _by_channel(mean, x)
        variance = sum_over_processes(centred.square().sum(dims)) / count
        scale = (variance + eps).rsqrt()
        normal = centred * _by_channel(scale, x)
        ctx.save_for_backward(normal, scale, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, None]:
        normal, scale, count = ctx.saved_tensors
        dims = [0, *range(2, normal.ndim)]
        plain, along = sum_over_processes(torch.stack([gradient.sum(dims), (gradient * normal).sum(dims)])) / count
        inner = gradient - _by_channel(plain, normal) - normal * _by_channel(along, normal)
        return inner * _by_channel(scale, normal), None


def _by_channel(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, *(1,) * (like.ndim - 2))


def _rank() -> int:
    return dist.get_rank() if n_processes() > 1 else 0


@contextmanager
def _stopped_in_words() -> Iterator[None]:
    """Make of the signal by which ``torchrun`` ends the others an error that says so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise ModelError(ENDED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_broken_line(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or "Connection closed by peer" in str(error) or "gloo" in str(error)
