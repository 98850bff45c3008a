"""Several processes that train as one: the same layers, the same weights, one sentence when one of them dies."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional

from earmark.errors import ConfigError
from earmark.runs.pipeline import train
from earmark.training import Training, distributed, load_recipe, loop
from light_training import lighten
from opt_in import takes_minutes
from ray_nodes import free_port
from written import write_homus

TOML = """
[features]
kind = "ink-raster"
height = 16
width = 16
[model]
kind = "cnn"
widths = [4, 8]
[[augment]]
kind = "affine"
[[augment]]
kind = "mixup"
[training]
epochs = 3
batch_size = 12
accumulate = 2
ema_decay = 0.5
refit = "valid"
"""


@settings(deadline=None)
@given(n_rows=st.integers(1, 40), n_pieces=st.integers(1, 9), n_processes=st.integers(1, 5))
def test_every_row_has_one_process_and_every_piece_is_shared_alike(n_rows, n_pieces, n_processes):
    pieces = [set(piece.tolist()) for piece in np.array_split(np.arange(n_rows), min(n_pieces, n_rows))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "n_processes", lambda: n_processes)
        shares = []
        for rank in range(n_processes):
            patch.setattr(distributed, "_rank", lambda rank=rank: rank)
            shares.append(distributed.local_rows(n_rows, n_pieces=n_pieces).tolist())
    assert sorted(row for share in shares for row in share) == list(range(n_rows))
    for piece in pieces:
        sizes = [len(piece.intersection(share)) for share in shares]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("affine", [True, False])
def test_the_shared_norm_is_batch_norm(affine):
    """In float64, so that what differs is not the rounding; gradients are those of the same random sum."""
    results = []
    for mode in (distributed.layers_of_whole(5), distributed._LayersOfWhole(5)):
        torch.manual_seed(0)
        x = torch.randn(5, 3, 4, 2, dtype=torch.float64, requires_grad=True)
        layer = nn.BatchNorm2d(3, affine=affine).double()
        if affine:
            nn.init.normal_(layer.weight)
        with mode:
            y = layer(3 * x + 7)
        (y * torch.randn(y.shape, dtype=torch.float64)).sum().backward()
        results.append([y.detach(), x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()])
    for plain, shared in zip(*results, strict=True):
        torch.testing.assert_close(shared, plain)


@pytest.mark.parametrize("layer", [nn.Dropout(0.3), nn.Dropout2d(0.3)])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_dropout_keeps_the_numbers_that_one_process_draws(layer, memory):
    x = torch.rand(6, 4, 3, 5).contiguous(memory_format=memory)
    torch.manual_seed(1)
    plain = layer(x)
    torch.manual_seed(1)
    with distributed._LayersOfWhole(6):
        assert torch.allclose(layer(x), plain)
        assert torch.equal(functional.dropout(x, training=False), x)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"compile": True}, r"training\.compile works in one process only; set training\.compile = false"),
        ({"batch_size": 8, "accumulate": 4}, r"batches of 8 examples in 4 pieces leave some of the 3 processes"),
    ],
)
def test_what_cannot_be_shared(monkeypatch, settings, sentence):
    monkeypatch.setattr(loop, "n_processes", lambda: 3)
    with pytest.raises(ConfigError, match=sentence):
        loop._refuse_what_cannot_be_shared(Training(**settings), n_examples=32)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A recipe, and lines that lie and lines that stand by eight writers."""
    root = tmp_path_factory.mktemp("together")
    write_homus(root / "HOMUS", np.random.default_rng(0), n_writers=8, n_drawings=5)
    (root / "mine.toml").write_text(TOML)
    return root


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_and_one_goes_on_when_one_has_died(workshop, monkeypatch):
    data, cache = workshop / "HOMUS", workshop / "cache"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    program = [Path(__file__).with_name("light_training.py"), "train", workshop / "mine.toml"]
    died = subprocess.run(
        [*launch, *program, "--data", data, "-o", workshop / "two"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "EARMARK_CACHE": str(cache)},
    )
    assert died.returncode != 0
    assert died.stderr.count(f"earmark: {distributed.ENDED}\n") == 1, died.stderr
    assert len((workshop / "two" / "log.csv").read_text().splitlines()) == 3

    lighten(monkeypatch.setattr)
    for name in ("one", "two"):
        train(load_recipe(workshop / "mine.toml"), data=data, out=workshop / name, cache=cache)
    # In float32, the sums of two halves are not rounded as the sum of the whole is.
    for weights in ("best.safetensors", "last.safetensors", "refit/best.safetensors"):
        one, two = (load_file(workshop / name / weights) for name in ("one", "two"))
        assert one.keys() == two.keys()
        assert max(np.abs(one[key] - two[key]).max() for key in one) < 1e-5
    one, two = (list(csv.DictReader((workshop / n / "log.csv").read_text().splitlines())) for n in ("one", "two"))
    for column in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "learning_rate"):
        np.testing.assert_allclose([float(r[column]) for r in two], [float(r[column]) for r in one], atol=1e-5)


@takes_minutes
def test_two_machines_learn_what_one_learns(workshop, monkeypatch):
    data, cache, run = workshop / "HOMUS", workshop / "cache", workshop / "machines"
    endpoint = f"127.0.0.1:{free_port()}"
    # Two launchers, as there would be on two machines, of one process each; the first keeps the meeting point.
    launch = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
    meeting = ["--rdzv-endpoint", endpoint, "--rdzv-id", "earmark", "--local-addr", "127.0.0.1"]
    program = [Path(__file__).with_name("light_training.py"), "train", workshop / "mine.toml", "--data", data]
    environment = {**os.environ, "EARMARK_CACHE": str(cache), "ALL_LIVE": "1", "OMP_NUM_THREADS": "1"}
    machines = [
        subprocess.Popen(
            [sys.executable, *launch, *meeting, *program, "-o", run], env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    errors = [machine.communicate()[1] for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], errors
    lighten(monkeypatch.setattr)
    train(load_recipe(workshop / "mine.toml"), data=data, out=workshop / "alone", cache=cache)
    one, two = (load_file(folder / "best.safetensors") for folder in (workshop / "alone", run))
    assert one.keys() == two.keys()
    assert max(np.abs(one[key] - two[key]).max() for key in one) < 1e-5
