"""Convolutional tagger of sounds with depthwise separable convolutions, YAMNet, as a body for transfer learning.

YAMNet (M. Plakal and D. Ellis, TensorFlow Models, 2019) is MobileNet v1 (Howard et al. 2017) trained on the 521 classes
of AudioSet (Gemmeke et al., ICASSP 2017). Its last two of thirteen separable convolutions and its classes are left out:
they are more than half of its weights, and no genre was told better with them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from earmark.features.graph import DB_PER_NEPER
from earmark.types import FloatArray

SAMPLE_RATE_HZ = 16000
N_FFT = 512
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
N_BANDS = 64
LOWEST_HZ, HIGHEST_HZ = 125.0, 7500.0
LOG_OFFSET = 1e-3
"""What is added to a magnitude before the logarithm."""
WIDTHS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512)
"""Channels of the first convolution, and of each separable one."""
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1)


class SameConvolution(nn.Conv2d):
    """A convolution of 3 × 3, padded as TensorFlow does it: the odd zero comes last."""

    def __init__(self, n_in: int, n_out: int, *, stride: int, groups: int = 1) -> None:
        super().__init__(n_in, n_out, 3, stride=stride, groups=groups)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps whose sides are those of `maps` divided by the stride, rounded up."""
        # A side that the stride does not divide is padded as one is that it does: the same where sides are even.
        before = 1 if self.stride[0] == 1 else 0
        return super().forward(functional.pad(maps, (before, 1, before, 1)))


class Yamnet(nn.Module):
    """The network between a log-mel spectrogram and its embedding.

    Its batch normalisations, each between a convolution and a ReLU, are part of the weights of the convolution.

    Parameters
    ----------
    widths, strides
        Channels and strides of the first convolution and of each depthwise separable one.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, strides: tuple[int, ...] = STRIDES) -> None:
        super().__init__()
        self.n_embedding = 2 * widths[-1]
        layers = [nn.Sequential(SameConvolution(1, widths[0], stride=strides[0]), nn.ReLU())]
        for n_in, n_out, stride in zip(widths, widths[1:], strides[1:], strict=False):
            depthwise = SameConvolution(n_in, n_in, stride=stride, groups=n_in)
            layers.append(nn.Sequential(depthwise, nn.ReLU(), nn.Conv2d(n_in, n_out, 1), nn.ReLU()))
        self.layers = nn.ModuleList(layers)

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Return the mean and the maximum of every channel, ``(batch, n_embedding)``, of ``(batch, 1, time, mel)``."""
        maps = log_mel
        for layer in self.layers:
            maps = layer(maps)
        return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)

    def stages(self) -> tuple[tuple[nn.Parameter, ...], ...]:
        """Return the weights of every layer, the first one first."""
        return tuple(tuple(layer.parameters()) for layer in self.layers)


def audioset_mel_filters() -> FloatArray:
    """Return the 64 triangles over magnitudes that networks for AudioSet see, float32 ``(mel, 1 + n_fft // 2)``.

    The triangles are even on the mel scale 1127 ln(1 + f / 700) itself (Young et al., The HTK Book), not over Hz, and
    as high as each other (Hershey et al., ICASSP 2017, and TensorFlow's ``linear_to_mel_weight_matrix``).
    """
    mel = 1127 * np.log1p(np.arange(1 + N_FFT // 2) * SAMPLE_RATE_HZ / N_FFT / 700)
    edges = 1127 * np.log1p(np.array([LOWEST_HZ, HIGHEST_HZ]) / 700)
    step = (edges[1] - edges[0]) / (N_BANDS + 1)
    centres = edges[0] + step * np.arange(1, N_BANDS + 1)[:, None]
    filters: FloatArray = np.maximum(0, 1 - np.abs(mel - centres) / step).astype(np.float32)
    return filters


class AudiosetLogMel(nn.Module):
    """Spectrograms in decibels to ln(magnitude + 0.001) in mel bands, ``(batch, 1, time, mel)``.

    Parameters
    ----------
    hop_samples
        Of the spectrograms; where it is not `HOP_SAMPLES`, frames are interpolated in time.
    """

    filters: torch.Tensor

    def __init__(self, hop_samples: int) -> None:
        super().__init__()
        self.stretch = hop_samples / HOP_SAMPLES
        self.register_buffer("filters", torch.from_numpy(audioset_mel_filters().T.copy()), persistent=False)

    def forward(self, decibels: torch.Tensor) -> torch.Tensor:
        """Return ``(batch, 1, time, mel)`` of ``(batch, 1, freq, time)``."""
        magnitude = torch.exp(decibels / (2 * DB_PER_NEPER))
        log_mel = torch.log(magnitude.transpose(2, 3) @ self.filters + LOG_OFFSET)
        if self.stretch == 1:
            return log_mel
        across = log_mel[:, 0].transpose(1, 2)
        stretched = functional.interpolate(across, scale_factor=self.stretch, mode="linear", align_corners=False)
        return stretched.transpose(1, 2)[:, None]
