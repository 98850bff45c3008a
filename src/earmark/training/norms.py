"""Statistics of batch norms, estimated anew from the training part ("precise BN", Wu & Johnson 2021).

Running averages follow the weights with a delay of some ten steps. With one or two steps an epoch they are those of a
network that is long gone, and what is validated and exported answers at chance.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from earmark.models import Network


@torch.no_grad()
def estimate_norms(network: Network, batches: Iterable[torch.Tensor]) -> None:
    """Replace the running statistics of batch norms that learn by those of raw features in `batches`.

    Norms whose weights are frozen keep theirs. Nothing else of the network changes, nor any random generator.
    """
    network.train()
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm) and part.training]
    network.eval()
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True  # the plain mean over all batches
    for features in batches:
        network(features)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum, norm.training = momentum, False
