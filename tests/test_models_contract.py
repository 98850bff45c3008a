"""Every model of the registry keeps the same promises."""

from __future__ import annotations

from urllib.error import URLError

import numpy as np
import pytest
import torch

from earmark.errors import ConfigError, ModelError
from earmark.features import FEATURES, PictureFeatures, SoundFeatures
from earmark.models import MODELS, BackboneConfig, CnnConfig, ModulationConfig, Normalize
from earmark.models.modulation import PatchPower
from earmark.recognizer import assemble
from earmark.training.checkpoint import save_weights
from earmark.training.export import export_network
from tiny import tiny_card, tone

# What a model needs beyond its defaults to be small and quick here, and the pictures it takes.
SMALL = {
    "cnn": ({"widths": (4, 8)}, (1, 16, 20)),
    "crnn": ({"widths": (4, 8), "hidden": 8}, (1, 16, 20)),
    "double-residual": ({"widths": (4, 8), "hidden": 8}, (1, 32, 40)),
    "keys": ({"local_channels": 4, "shared_channels": 8}, (1, 40, 20)),
    "minivgg": ({"widths": (4, 8), "hidden": 8, "channels": 3}, (1, 16, 20)),
    "mlp": ({"widths": (8,)}, (1, 16, 20)),
    "modulation": ({"patches": ((16, 8),), "hidden": 8}, (1, 32, 20)),
    "residual": ({"widths": (4, 8)}, (1, 16, 20)),
    "timm": ({"name": "test_resnet"}, (1, 64, 64)),
    "transcription": ({"local_channels": 4, "channels": 8, "dilations": (1,)}, (1, 40, 20)),
    "transfer": ({"hidden": 8, "head": "mlp"}, (1, 96, 40)),
}

# Every front end, and the setting that fits it to a network's height.
SPECTROGRAMS = {"constant-q": "n_bins", "linear": "n_bins", "log-mel": "n_mels"}

# A network that follows streams cannot wait for the loudest frame; a pretrained one takes its features as they are.
SCALED = {"crnn": "absolute", "transfer": "none"}


def built(kind, **changes):
    settings, shape = SMALL[kind]
    torch.manual_seed(0)
    return MODELS[kind](**settings, **changes).build(n_labels=3, input_shape=shape), shape


def test_every_model_and_every_front_end_is_tested():
    assert set(SMALL) == set(MODELS)
    assert set(SPECTROGRAMS) == {kind for kind, entry in FEATURES.items() if issubclass(entry, SoundFeatures)}


@pytest.mark.parametrize("kind", SMALL)
def test_logits_and_embedding(kind):
    network, shape = built(kind)
    network.eval()
    pictures = torch.randn(2, *shape)
    logits, embedding = network(pictures), network.embed(network.normalize(pictures))
    assert logits.shape == (2, 3)
    assert embedding.shape[0] == 2
    assert torch.allclose(network.head(embedding), logits)


@pytest.mark.parametrize("kind", SMALL)
def test_examples_do_not_see_each_other(kind):
    network, shape = built(kind, normalize=SCALED.get(kind, "peak"))
    network.eval()
    pictures = torch.randn(3, *shape) * 20
    assert torch.allclose(network(pictures)[1], network(pictures[1:2])[0], atol=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_every_weight_learns(kind):
    network, shape = built(kind)
    network(torch.randn(4, *shape)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.slow
def test_a_causal_network_reads_pictures_too():
    import onnxruntime

    network, shape = built("crnn")
    graph = export_network(network, PictureFeatures(height=shape[1], width=shape[2]))
    pictures = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(graph.SerializeToString()).run(["logits"], {"features": pictures})
    with torch.no_grad():
        assert np.abs(logits - network(torch.from_numpy(pictures)).numpy()).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_the_file_says_the_same(kind):
    import onnxruntime

    network, shape = built(kind, normalize=SCALED.get(kind, "min-max"))
    features = FEATURES["log-mel"](n_mels=shape[1])
    graph = export_network(network, features)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    for n_examples, n_frames in ((1, shape[2]), (5, shape[2] + 7)):
        pictures = np.random.default_rng(0).normal(-40, 20, (n_examples, *shape[:2], n_frames)).astype(np.float32)
        # A causal network starts from a state of zeros.
        state = {item.name: np.zeros(item.shape, np.float32) for item in session.get_inputs()[1:]}
        logits, embedding = session.run(["logits", "embedding"], {"features": pictures, **state})
        with torch.no_grad():
            expected = network(torch.from_numpy(pictures)).numpy()
        assert np.abs(logits - expected).max() < 1e-4
        assert len(embedding) == n_examples
    for front_end, height in SPECTROGRAMS.items():
        assert_hears_the_same(network, graph, FEATURES[front_end](**{height: shape[1]}))


def assert_hears_the_same(network, graph, features):
    """The samples through the whole file, and through numpy and torch, give the same logits."""
    import onnxruntime

    card = tiny_card(features=features)
    session = onnxruntime.InferenceSession(assemble(graph, card).SerializeToString())
    samples = tone(seconds=(network.input_shape[2] + 40) * features.hop_samples / features.sample_rate_hz)
    samples = samples + np.random.default_rng(0).normal(0, 0.05, len(samples)).astype(np.float32)
    (logits,) = session.run(["logits"], {"samples": samples[None]})
    with torch.no_grad():
        expected = network(torch.from_numpy(features(samples)[None])).numpy()
    assert np.abs(logits - expected).max() < 1e-4, features.kind


def test_normalize_min_max_is_what_published_pictures_are():
    decibels = np.random.default_rng(0).uniform(-130, -10, (2, 1, 5, 7)).astype(np.float32)
    floored = np.maximum(decibels - decibels.max((1, 2, 3), keepdims=True), -80)
    low = floored.min((1, 2, 3), keepdims=True)
    got = Normalize("min-max", 80.0)(torch.from_numpy(decibels)).numpy()
    np.testing.assert_allclose(got, (floored - low) / -low, atol=1e-6)


def test_normalize_ignores_gain_and_survives_silence():
    layer = Normalize("peak", 60.0)
    pictures = torch.linspace(-90, -20, 24).reshape(1, 1, 4, 6)
    assert torch.allclose(layer(pictures), layer(pictures + 33.0), atol=1e-6)
    assert layer(torch.full((1, 1, 4, 6), -100.0)).isfinite().all()


def test_pictures_too_small_for_the_network():
    with pytest.raises(ConfigError, match=r"cannot take pictures of 16 × 20; each side needs at least 32"):
        CnnConfig(widths=(4, 4, 4, 4, 4)).build(n_labels=2, input_shape=(1, 16, 20))


def test_pictures_smaller_than_a_patch():
    with pytest.raises(ConfigError, match=r"cannot take pictures of 128 × 20; its largest patch is 48 × 32"):
        ModulationConfig().build(n_labels=2, input_shape=(1, 128, 20))


def test_patches_tell_fine_from_coarse_and_fast_from_slow():
    patch = PatchPower(32, 32)
    place = torch.arange(64)
    combs = torch.stack([torch.cos(2 * np.pi * place / period) for period in (16, 4)])
    over_freq = combs[:, None, :, None].expand(2, 1, 64, 64) / 2 + 0.5
    coarse, fine = patch(over_freq).reshape(2, len(patch.scales), -1)
    slow, fast = patch(over_freq.transpose(2, 3)).reshape(2, len(patch.scales), len(patch.rates), -1)
    assert fine.amax(1)[1:].argmax() > coarse.amax(1)[1:].argmax()
    assert fast.amax((0, 2))[1:].argmax() > slow.amax((0, 2))[1:].argmax()


def test_unknown_backbone():
    with pytest.raises(ConfigError, match=r"no model 'resnet81' \(did you mean 'resnet\d+"):
        BackboneConfig(name="resnet81").build(n_labels=2, input_shape=(1, 64, 64))


def test_grey_pictures_enter_a_photograph_network():
    network = BackboneConfig(name="test_resnet", channels=3).build(n_labels=2, input_shape=(1, 64, 64))
    assert network(torch.zeros(1, 1, 64, 64)).shape == (1, 2)


def test_weights_from_a_file(tmp_path):
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(1)
    source = timm.create_model("test_resnet", num_classes=5, in_chans=3)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    config = BackboneConfig(name="test_resnet", channels=3, weights=str(tmp_path / "w.safetensors"))
    body = config.build(n_labels=2, input_shape=(3, 64, 64)).body.model.eval()
    picture = torch.randn(1, 3, 64, 64)
    expected = source.eval().forward_head(source.forward_features(picture), pre_logits=True)
    assert torch.equal(body(picture), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_of_a_run_of_ones_own(tmp_path, channels):
    shape = (1, 64, 64)
    torch.manual_seed(2)
    before = BackboneConfig(name="test_resnet", channels=3).build(n_labels=5, input_shape=shape)
    save_weights(tmp_path / "best.safetensors", before)
    config = BackboneConfig(name="test_resnet", channels=channels, weights=str(tmp_path))
    after = config.build(n_labels=2, input_shape=shape)
    grey = torch.randn(1, 1, 64, 64)
    expected = before.eval().body(grey.expand(-1, 3, -1, -1))
    assert torch.allclose(after.eval().body(grey.expand(-1, channels, -1, -1)), expected, atol=1e-5)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty/best\.safetensors: no such weights file; .* a finished run"):
        BackboneConfig(name="test_resnet", weights=str(tmp_path / "empty")).fetch()


def test_weights_missing_or_of_another_network(tmp_path):
    import timm
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match="no such weights file"):
        BackboneConfig(name="test_resnet", weights="nowhere.pth").build(n_labels=2, input_shape=(1, 64, 64))
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(ModelError, match="these weights are not of test_resnet"):
        BackboneConfig(name="test_resnet", weights=str(tmp_path / "vit.safetensors")).build(
            n_labels=2, input_shape=(1, 64, 64)
        )


def test_weights_that_are_no_weights(tmp_path):
    (tmp_path / "page.pth").write_text("<html>Not found</html>")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    for name in ("page.pth", "cut.safetensors"):
        with pytest.raises(ModelError, match=rf"{name}: not weights that can be read safely"):
            BackboneConfig(name="test_resnet", weights=str(tmp_path / name)).build(n_labels=2, input_shape=(1, 64, 64))


def test_no_network(monkeypatch, tmp_path):
    """The sentence comes before the features are made, and names the address and what to do with the file."""

    def unreachable(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("earmark.models.imagenet.urlopen", unreachable)
    sentence = (
        r"the weights of resnet18 could not be fetched from https://\S+/timm/resnet18\S+/model.safetensors "
        r"\(Name or service not known\); fetch that file elsewhere, .* --set model.weights=FILE"
    )
    with pytest.raises(ModelError, match=sentence):
        BackboneConfig(name="resnet18", weights="imagenet").fetch()
