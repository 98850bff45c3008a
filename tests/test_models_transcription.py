"""The network of several keys: what it sees, what it gives for every frame, and what it learns from."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch

from earmark.errors import ConfigError
from earmark.features import ConstantQ
from earmark.models.transcription import Harmonics, PitchMix, TranscriptionConfig
from earmark.recognizer.frame_outputs import FRAME_OUTPUTS
from earmark.training.export import export_network
from earmark.training.objective import OBJECTIVES

N_KEYS, N_FRAMES = 88, 20
OBJECTIVE = OBJECTIVES["transcription"]


def built(**changes):
    torch.manual_seed(0)
    config = TranscriptionConfig(local_channels=4, channels=8, dilations=(1, 2), **changes)
    return config.build(n_labels=N_KEYS, input_shape=(1, 293, N_FRAMES)).eval()


def test_harmonics_of_a_key_come_to_its_row():
    picture = torch.zeros(1, 1, 98, 1)
    picture[0, 0, 40 + 19] = 1.0
    harmonics = Harmonics(N_KEYS)
    stacked = harmonics(picture)[0, :, :, 0]
    assert stacked[harmonics.shifts.index(19), 40] == 1
    assert stacked[harmonics.shifts.index(0), 59] == 1
    assert stacked[harmonics.shifts.index(-12), 71] == 1
    assert stacked.sum() == sum(0 <= 59 - shift < N_KEYS for shift in harmonics.shifts)


def test_keys_are_mixed_as_a_convolution_does():
    mix = PitchMix(3, 12)
    x = torch.randn(2, 3, 12, 5)
    padded = torch.nn.functional.pad(x, (0, 0, 11, 11)).permute(0, 3, 1, 2).flatten(0, 1)
    expected = torch.nn.functional.conv1d(padded, mix.kernels[:, None], groups=3)
    assert torch.allclose(mix(x), expected.unflatten(0, (2, 5)).permute(0, 2, 3, 1), atol=1e-5)


def test_a_gain_changes_nothing_but_the_velocity():
    network = built()
    features = torch.randn(1, 1, 293, N_FRAMES) * 10
    with torch.no_grad():
        assert torch.allclose(network(features), network(features - 20), atol=1e-4)


def test_the_file_gives_every_frame_and_says_the_same():
    network = built()
    features = ConstantQ(sample_rate_hz=16_000, f_min_hz=26.975577, n_bins=293, bins_per_octave=36, gamma_hz=2.0)
    graph = export_network(network, features)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["logits", "embedding", *FRAME_OUTPUTS]
    for width in (N_FRAMES, 33):
        picture = np.random.default_rng(0).normal(-40, 10, (3, 1, 293, width)).astype(np.float32)
        with torch.no_grad():
            expected = network.judged(network.normalize(torch.from_numpy(picture)))
        logits, _, frames, onsets, velocities = session.run(None, {"features": picture})
        assert np.allclose(logits, expected[:, -1], atol=1e-3)
        assert np.allclose(np.concatenate([frames, onsets], 1), expected[:, : 2 * width], atol=1e-3)
        assert velocities.shape == (3, width, N_KEYS)
        assert 0 <= velocities.min() <= velocities.max() <= 1


def test_pictures_of_too_few_bins_are_refused():
    with pytest.raises(ConfigError, match="at least 263 bins"):
        TranscriptionConfig().build(n_labels=N_KEYS, input_shape=(1, 200, 8))


class TestObjective:
    def wanted(self):
        wanted = torch.zeros(2, 3 * N_FRAMES + 1, N_KEYS)
        wanted[:, 2 * N_FRAMES : 3 * N_FRAMES] = torch.nan
        wanted[0, 3:9, 40] = wanted[0, N_FRAMES + 3, 40] = wanted[0, -1, 40] = 1
        wanted[0, 2 * N_FRAMES + 3, 40] = 0.5
        return wanted

    def test_right_answers_cost_nothing(self):
        wanted = self.wanted()
        right = torch.where(wanted > 0.5, 30.0, -30.0)
        right[:, 2 * N_FRAMES : 3 * N_FRAMES] = 0.5
        assert OBJECTIVE.loss(right, wanted, weights=None, smoothing=0).item() == pytest.approx(0, abs=1e-6)
        assert OBJECTIVE.n_right(right, wanted).item() == 2
        assert OBJECTIVE.loss(-right, wanted, weights=None, smoothing=0).item() > 1

    def test_what_is_unsure_counts_for_nothing(self):
        wanted = self.wanted()
        wanted[1] = -1
        wanted[1, 2 * N_FRAMES : 3 * N_FRAMES] = torch.nan
        logits = torch.randn_like(wanted).requires_grad_()
        OBJECTIVE.loss(logits, wanted, weights=None, smoothing=0).backward()
        assert (logits.grad[1] == 0).all()
        assert (logits.grad[0] != 0).any()
        assert logits.grad.isfinite().all()
