"""Pretrained backbones: the port is exact, and weights of another file or network are refused."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from earmark.errors import ModelError, UnknownNameError
from earmark.features import LogMel
from earmark.models import TransferConfig, pretrained
from earmark.models.musicnn import Musicnn, MusicnnLogMel, MusicnnSizes
from earmark.models.pretrained import (
    MUSICNN_SHA256,
    PRETRAINED,
    fill,
    load_musicnn,
    load_yamnet,
    recognizer_state,
    yamnet_file,
)
from earmark.models.shared_spectrum import MOST_GAIN_DB, SharedSpectrum, to_level
from earmark.models.yamnet import AudiosetLogMel
from earmark.recognizer import zoo


def test_musicnn_equals_the_original(shared_data):
    """The logits of the TensorFlow graph, for the same two patches ``(patch, time, mel)``."""
    folder = shared_data / "pretrained"
    patches = torch.from_numpy(np.load(folder / "musicnn_msd_input.npy")).transpose(1, 2)[:, None]
    with torch.no_grad():
        logits = load_musicnn().logits(patches).numpy()
    np.testing.assert_allclose(logits, np.load(folder / "musicnn_msd_logits.npy"), atol=1e-4)


@pytest.mark.parametrize("name", PRETRAINED)
def test_every_entry_is_complete(name):
    entry = PRETRAINED[name]
    assert entry.name == name
    assert entry.source
    assert entry.licence
    assert entry.citation
    assert len(entry.sha256) == 64


@pytest.mark.parametrize("n_frames", [126, 187, 400])
def test_musicnn_takes_any_length(n_frames):
    body = load_musicnn()
    with torch.no_grad():
        embedding = body(torch.rand(2, 1, 96, n_frames))
    assert embedding.shape == (2, PRETRAINED["musicnn-msd"].n_embedding)
    assert sum(len(stage) for stage in body.stages()) == len(list(body.parameters()))


def test_musicnn_sees_what_librosa_gives():
    """The front end is librosa's mel spectrogram, log-compressed as in the original code."""
    import librosa

    samples = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    mel = librosa.feature.melspectrogram(y=samples, sr=16000, n_fft=512, hop_length=256, n_mels=96)
    features = PRETRAINED["musicnn-msd"].features
    np.testing.assert_allclose(features(samples)[0], np.log10(1 + 10000 * mel), atol=2e-4)


def noise(seconds=3.0):
    return np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)


def test_yamnet_sees_what_its_authors_computed():
    """Frames of 400 samples every 160 from the first on, their magnitudes in the mel filters of TensorFlow."""
    samples = noise().astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 400)[::160]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(401)[:-1], 512))
    mel = 1127 * np.log(1 + np.fft.rfftfreq(512, 1 / 16000) / 700)
    edges = np.linspace(*(1127 * np.log(1 + np.array([125, 7500]) / 700)), 66)
    rising = (mel - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - mel) / np.diff(edges)[1:, None]
    expected = np.log(magnitudes @ np.maximum(0, np.minimum(rising, falling)).T + 0.001)

    # Frame t of ours is centred on sample 160 t, and theirs on 160 t + 200.
    ours = PRETRAINED["yamnet"].features(np.pad(samples, (120, 0)).astype(np.float32))
    seen = AudiosetLogMel(160)(torch.from_numpy(ours)[None])[0, 0].numpy()
    np.testing.assert_allclose(seen[2 : 2 + len(expected)], expected, atol=1e-4)


def test_yamnet_answers_each_patch_as_its_own():
    """The layers are local: what 0.96 s give is the same beside another patch of the batch."""
    patches = torch.from_numpy(np.random.default_rng(0).normal(-3, 2, (2, 1, 96, 64)).astype(np.float32))
    body = load_yamnet()
    with torch.no_grad():
        both, alone = body(patches), body(patches[1:])
    torch.testing.assert_close(both[1:], alone, rtol=1e-4, atol=1e-4)
    assert (both[0] != both[1]).any()


def test_musicnn_beside_another_hears_the_same():
    """Its mel spectrogram is the same, made of the shared one as if it were computed alone."""
    alone, shared = (PRETRAINED[name].features(noise()) for name in ("musicnn-msd", "musicnn+yamnet"))
    np.testing.assert_allclose(MusicnnLogMel()(torch.from_numpy(shared)[None])[0], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["yamnet", "musicnn+yamnet", "musicnn+modulation"])
def test_ears_that_share_a_spectrum_do_not_hear_the_level(name):
    entry = PRETRAINED[name]
    spectrum = torch.from_numpy(entry.features(noise()))[None]
    body = entry.load()
    assert sum(len(stage) for stage in body.stages()) == len(list(body.parameters()))
    with torch.no_grad():
        embedding = body(spectrum)
        assert embedding.shape == (1, entry.n_embedding)
        for gain_db in (-15, 15):
            torch.testing.assert_close(body(spectrum + gain_db), embedding, rtol=1e-3, atol=1e-3)


def test_silence_is_not_raised_to_noise():
    silence = torch.full((1, 1, 257, 20), -100.0)
    torch.testing.assert_close(to_level(silence), silence + MOST_GAIN_DB)


def test_the_last_stages_of_all_ears_open_together():
    parts = [torch.nn.Linear(1, 1), torch.nn.Linear(2, 2), torch.nn.Linear(3, 3)]

    class Ear(torch.nn.Module):
        def __init__(self, *layers):
            super().__init__()
            self.layers = torch.nn.ModuleList(layers)

        def stages(self):
            return tuple(tuple(layer.parameters()) for layer in self.layers)

    both = SharedSpectrum([(torch.nn.Identity(), Ear(*parts[:1])), (torch.nn.Identity(), Ear(*parts[1:]))])
    widths = [sorted(len(weight) for weight in stage if weight.ndim == 2) for stage in both.stages()]
    assert widths == [[2], [1, 3]]


def test_damaged_weights_of_yamnet(tmp_path, monkeypatch):
    path = tmp_path / "yamnet.safetensors"
    monkeypatch.setattr(pretrained, "yamnet_file", lambda: path)
    with pytest.raises(ModelError, match=r"weights of YAMNet cannot be read .*install Earmark again"):
        load_yamnet()
    whole = yamnet_file().read_bytes()
    path.write_bytes(whole[:1000])
    with pytest.raises(ModelError, match=r"weights of YAMNet cannot be read"):
        load_yamnet()
    path.write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(ModelError, match=r"yamnet\.safetensors: its weights have the SHA-256"):
        load_yamnet()


def test_pictures_in_decibels_are_compressed_too():
    from earmark.types import Picture

    features = LogMel(n_mels=40, compression="logarithmic")
    decibels = np.full((40, 3), -40.0, np.float32)
    assert features.from_picture(Picture(decibels)) == pytest.approx(np.log10(2), abs=1e-6)


def test_the_licences_lie_beside_the_weights():
    folder = resources.files("earmark.zoo")
    assert "Permission to use, copy, modify" in (folder / "musicnn-LICENSE.txt").read_text()
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION" in (folder / "yamnet-LICENSE.txt").read_text()


def state(sha256=MUSICNN_SHA256):
    return recognizer_state("tags", prefix="network/body.", sha256=sha256)


def test_without_the_recognizer_that_holds_the_weights(monkeypatch):
    monkeypatch.setattr(pretrained, "zoo", dict)
    with pytest.raises(ModelError, match=r"lie in the built-in recognizer 'tags', which this installation lacks; inst"):
        load_musicnn()


def test_weights_of_another_version(monkeypatch):
    with pytest.raises(ModelError, match=r"have the SHA-256 .* damaged or of another version"):
        state("0" * 64)
    monkeypatch.setattr(pretrained, "zoo", lambda: {"tags": zoo()["notes"]})
    with pytest.raises(ModelError, match=r"notes\.onnx: its weights have the SHA-256"):
        load_musicnn()


def test_weights_of_another_network():
    other = Musicnn(MusicnnSizes(timbral=((38, 4),), temporal=((32, 2),)))
    with pytest.raises(ModelError, match=r"these weights are not of musicnn: front_end\.0\.convolution\.weight is"):
        fill(other, state(), name="musicnn")


def test_unknown_backbone():
    with pytest.raises(UnknownNameError, match=r"no backbone called 'musicn-msd' \(did you mean 'musicnn-msd'\?\)"):
        PRETRAINED["musicn-msd"]


def test_a_card_names_the_licence_of_the_weights():
    licence = TransferConfig(head="logistic").weights_licence
    assert licence.startswith("ISC, weights of musicnn-msd\n")
    assert "Permission to use, copy, modify" in licence
    both = TransferConfig(backbone="musicnn+yamnet").weights_licence
    assert both.startswith("ISC AND Apache-2.0, weights of musicnn+yamnet\n")
    assert "Permission to use, copy, modify" in both
    assert "Apache License" in both
