"""Pretrained backbones: the port is exact, and weights of another file or network are refused."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from earmark.errors import ModelError, UnknownNameError
from earmark.features import LogMel
from earmark.models import TransferConfig, pretrained
from earmark.models.musicnn import Musicnn, MusicnnSizes
from earmark.models.pretrained import MUSICNN_SHA256, PRETRAINED, fill, load_musicnn, recognizer_state
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


def test_pictures_in_decibels_are_compressed_too():
    from earmark.types import Picture

    features = LogMel(n_mels=40, compression="logarithmic")
    decibels = np.full((40, 3), -40.0, np.float32)
    assert features.from_picture(Picture(decibels)) == pytest.approx(np.log10(2), abs=1e-6)


def test_the_licence_lies_beside_the_weights():
    notice = resources.files("earmark.zoo") / "musicnn-LICENSE.txt"
    assert "Permission to use, copy, modify" in notice.read_text()


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
