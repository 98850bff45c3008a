"""Batch norms take the statistics of clean examples where running averages cannot follow."""

from __future__ import annotations

import torch
from torch import nn

from earmark.models import CnnConfig
from earmark.training.loop import estimate_norms


def network():
    torch.manual_seed(0)
    return CnnConfig(widths=(4, 8)).build(n_labels=3, input_shape=(1, 16, 20))


def norms_of(net):
    return [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]


def test_statistics_are_those_of_the_batches():
    net, pictures = network(), 5 + 3 * torch.randn(32, 1, 16, 20)
    seen = {}
    first = norms_of(net)[0]
    first.register_forward_hook(lambda _, inputs, __: seen.update(x=inputs[0]))
    estimate_norms(net, [pictures])
    x = seen["x"].transpose(0, 1).flatten(1)
    assert torch.allclose(first.running_mean, x.mean(1), atol=1e-5)
    assert torch.allclose(first.running_var, x.var(1), rtol=1e-4)
    assert not any(part.training for part in net.modules())
    assert first.momentum == 0.1


def test_the_mean_over_batches_counts():
    net, pictures = network(), torch.randn(32, 1, 16, 20)
    estimate_norms(net, [pictures])
    whole = norms_of(net)[0].running_mean.clone()
    estimate_norms(net, [pictures[:16], pictures[16:]])
    assert torch.allclose(norms_of(net)[0].running_mean, whole, atol=1e-5)


def test_frozen_norms_and_weights_stay():
    net = network()
    first = norms_of(net)[0]
    for weight in first.parameters():
        weight.requires_grad_(False)
    before = {name: value.clone() for name, value in net.named_parameters()}
    state = torch.get_rng_state()
    estimate_norms(net, [torch.randn(8, 1, 16, 20, generator=torch.Generator().manual_seed(1))])
    assert torch.equal(first.running_mean, torch.zeros(4))
    assert not torch.equal(norms_of(net)[1].running_mean, torch.zeros(8))
    assert all(torch.equal(value, before[name]) for name, value in net.named_parameters())
    assert torch.equal(torch.get_rng_state(), state)
