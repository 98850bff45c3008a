"""Convert the TensorFlow weights of musicnn to those of PyTorch; `tools/build_tags.py` makes a file of them.

The weights lie in the wheel of musicnn 0.1.0 (Pons & Serra 2019, ISC licence), which pins a TensorFlow that no longer
installs. A checkpoint is a sorted table of names (the LevelDB format, uncompressed) and a file of raw numbers; reading
both takes a page, so TensorFlow is not needed.

Most filters of the first layer died while the network was trained: weight decay brought all their weights to nothing,
so that they answer the same to every input. They are left out, and what they answered goes into the biases of the
layers that heard it; logits change by less than 1e-5.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.files import sha256_bytes

Array = npt.NDArray[np.float32]

WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
CHECKPOINT = "musicnn/MSD_musicnn/"
LICENSE = "musicnn-0.1.0.dist-info/LICENSE.md"
FOOTER_BYTES = 48
FLOAT = 1
"""The type of 32-bit floats in an entry of the table."""
DEAD = 1e-3
"""Sum of the absolute weights of a filter below which it is the same for every input; living ones exceed 0.04."""
N_BRANCHES = 5
N_MID = 3
EPSILON = 1e-3


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Return a variable-length integer, seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def read_block(table: bytes, place: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of the block whose offset and size `place` holds."""
    offset, at = read_number(place, 0)
    size, _ = read_number(place, at)
    if table[offset + size] != 0:
        raise SystemExit("the table is compressed; this is another checkpoint")
    block = table[offset : offset + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    key, at = b"", 0
    while at < end:
        shared, at = read_number(block, at)
        n_key, at = read_number(block, at)
        n_value, at = read_number(block, at)
        key = key[:shared] + block[at : at + n_key]
        yield key, block[at + n_key : at + n_key + n_value]
        at += n_key + n_value


def read_message(data: bytes) -> dict[int, list[Any]]:
    """Return the fields of a protocol buffer by number, without knowing their names."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = read_number(data, at)
        value: int | bytes
        if tag & 7 == 0:
            value, at = read_number(data, at)
        else:
            size, at = read_number(data, at) if tag & 7 == 2 else (4, at)
            value, at = data[at : at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def read_checkpoint(index: bytes, data: bytes) -> dict[str, Array]:
    """Return all variables of floats by name, without those of the optimiser."""
    footer = index[-FOOTER_BYTES:]
    _, at = read_number(footer, 0)
    _, at = read_number(footer, at)
    variables = {}
    for _, place in read_block(index, footer[at:]):
        for name, value in read_block(index, place):
            if not name or b"Adam" in name:
                continue
            entry = read_message(value)
            if entry[1][0] != FLOAT:
                continue
            shape = [read_message(axis)[1][0] for axis in read_message(entry[2][0]).get(2, [])]
            start = entry.get(4, [0])[0]
            variables[name.decode()] = np.frombuffer(data[start : start + entry[5][0]], "<f4").reshape(shape)
    return variables


def layer(variables: dict[str, Array], kind: str, number: int) -> dict[str, Array]:
    """Return the variables of the layer of a kind with a number, by their last names."""
    prefix = f"{kind}_{number}/" if number else f"{kind}/"
    return {name.removeprefix(prefix): value for name, value in variables.items() if name.startswith(prefix)}


def norm(variables: dict[str, Array], number: int, keep: Array | slice = slice(None)) -> dict[str, Array]:
    """Return a batch normalisation under the names that PyTorch uses."""
    values = layer(variables, "batch_normalization", number)
    names = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    return {name: values[theirs][keep] for name, theirs in names.items()}


def constants(variables: dict[str, Array], number: int) -> Array:
    """Return what the normalised filters of a convolution answer where their weights are nothing."""
    bias = layer(variables, "conv2d", number)["bias"]
    after = norm(variables, number + 1)
    deviation = np.sqrt(after["running_var"] + EPSILON)
    return (np.maximum(bias, 0) - after["running_mean"]) / deviation * after["weight"] + after["bias"]


def convert(variables: dict[str, Array]) -> dict[str, Array]:
    """Return the state dict of `earmark.models.musicnn.Musicnn`, without the dead filters of the front end."""
    state: dict[str, Array] = {}

    def put(name: str, values: dict[str, Array]) -> None:
        state.update({f"{name}.{key}": value for key, value in values.items()})

    put("norm", norm(variables, 0))
    alive = []
    for branch in range(N_BRANCHES):
        kernel, bias = (layer(variables, "conv2d", branch)[name] for name in ("kernel", "bias"))
        keep = np.abs(kernel).sum((0, 1, 2)) > DEAD
        alive.append(keep)
        # TensorFlow: (time, mel, in, out). PyTorch: (out, in, mel, time).
        weight = kernel[..., keep].transpose(3, 2, 1, 0)
        put(f"front_end.{branch}.convolution", {"weight": weight, "bias": bias[keep]})
        put(f"front_end.{branch}.norm", norm(variables, branch + 1, keep))
    living = np.concatenate(alive)
    dead_says = np.concatenate([constants(variables, branch) for branch in range(N_BRANCHES)])[~living]
    for number in range(N_MID):
        values = layer(variables, "conv2d", N_BRANCHES + number)
        # TensorFlow: (time, in, 1, out). PyTorch: (out, in, time).
        weight, bias = values["kernel"][:, :, 0].transpose(2, 1, 0), values["bias"]
        if number == 0:
            bias = bias + (weight[:, ~living].sum(2) @ dead_says)
            weight = weight[:, living]
        put(f"mid_end.{number}.convolution", {"weight": weight, "bias": bias})
        put(f"mid_end.{number}.norm", norm(variables, N_BRANCHES + 1 + number))
    # The maximum and the mean of a channel lie beside each other; what is dead has both equal.
    pooled = np.repeat(np.concatenate([living, np.ones(N_MID * len(bias), bool)]), 2)
    dense, pool_norm = layer(variables, "dense", 0), norm(variables, N_BRANCHES + N_MID + 1)
    weight = dense["kernel"].T
    scale = pool_norm["weight"] / np.sqrt(pool_norm["running_var"] + EPSILON)
    dead_pools = (np.repeat(dead_says, 2) - pool_norm["running_mean"][~pooled]) * scale[~pooled]
    bias = dense["bias"] + weight[:, ~pooled] @ (dead_pools + pool_norm["bias"][~pooled])
    put("pool_norm", norm(variables, N_BRANCHES + N_MID + 1, pooled))
    put("dense", {"weight": weight[:, pooled], "bias": bias})
    put("dense_norm", norm(variables, N_BRANCHES + N_MID + 2))
    tags = layer(variables, "dense", 1)
    put("tags", {"weight": tags["kernel"].T, "bias": tags["bias"]})
    return {name: np.ascontiguousarray(value) for name, value in state.items()}


def read_wheel(path: Path) -> tuple[dict[str, Array], str]:
    """Return the state dict and the licence notice that the wheel of musicnn 0.1.0 holds."""
    found = sha256_bytes(path.read_bytes())
    if found != WHEEL_SHA256:
        raise SystemExit(f"{path}: SHA-256 {found}; the wheel of musicnn 0.1.0 has {WHEEL_SHA256}")
    with zipfile.ZipFile(path) as wheel:
        variables = read_checkpoint(wheel.read(f"{CHECKPOINT}.index"), wheel.read(f"{CHECKPOINT}.data-00000-of-00001"))
        return convert(variables), wheel.read(LICENSE).decode().strip() + "\n"
