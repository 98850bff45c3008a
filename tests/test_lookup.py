"""Backbones by name: entries of the registry, timm models, state dicts and ONNX files keep one contract."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from earmark.errors import ConfigError, MissingExtraError, ModelError, UnknownNameError, UsageError
from earmark.features import InkRaster
from earmark.models import PRETRAINED, TransferConfig
from earmark.models.lookup import features_of_backbone, find_backbone
from earmark.models.onnx_body import OnnxBody
from earmark.training.export import export_network

# The old exporter, which most files come from, says that it is old.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SIDES = (32, 40)


@pytest.fixture(scope="module")
def layers():
    """A network that somebody else has: of three channels, and of any size."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3)).eval()


def export(path, network, *, free=(0, 2, 3), opset=13, names=("pictures", "embedding")):
    """Write a network as other people do, by the exporter that most still use."""
    example = torch.zeros(2, 3, *SIDES)
    rank = network(example).ndim
    axes = {axis: f"axis_{axis}" for axis in free}
    torch.onnx.export(
        network,
        (example,),
        path,
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_axes={names[0]: axes, names[1]: {axis: name for axis, name in axes.items() if axis < rank}},
        opset_version=opset,
        dynamo=False,
    )
    return str(path)


@pytest.fixture
def onnx_file(tmp_path, layers):
    return export(tmp_path / "theirs.onnx", layers)


@pytest.fixture
def state_dict(tmp_path):
    torch.manual_seed(1)
    save_file(timm.create_model("test_resnet", num_classes=7).state_dict(), tmp_path / "theirs.safetensors")
    return str(tmp_path / "theirs.safetensors")


def loaded(name, **settings):
    """Return an entry and its module; skip when its weights are not installed."""
    entry = find_backbone(name, **settings)
    try:
        return entry, entry.load()
    except (MissingExtraError, UsageError) as error:
        pytest.skip(str(error))


def check_contract(entry, body):
    shape = (1, 96, 80) if entry.features is None else (1, entry.features.n_bins, 80)
    pictures = torch.rand(3, *shape)
    with torch.no_grad():
        embedding = body(pictures)
        again = body(pictures[:1])
    assert embedding.shape == (3, entry.n_embedding)
    assert embedding.isfinite().all()
    assert embedding.std(0).max() > 0
    torch.testing.assert_close(again, embedding[:1], atol=1e-4, rtol=1e-4)
    in_stages = [id(weight) for stage in body.stages() for weight in stage]
    assert len(set(in_stages)) == len(in_stages)
    assert set(in_stages) == {id(weight) for weight in body.parameters()}
    assert not any(part.training for part in body.modules())


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_contract_of_known_backbones(name):
    check_contract(*loaded(name))


def test_the_contract_of_a_state_dict(state_dict):
    check_contract(*loaded("test_resnet", weights=state_dict))


def test_the_contract_of_an_onnx_file(onnx_file):
    check_contract(*loaded(onnx_file))
    assert len(find_backbone(onnx_file).sha256) == 64


def test_an_onnx_file_gives_what_its_network_gives(onnx_file, layers):
    pictures = torch.rand(2, 1, *SIDES)
    body = OnnxBody(onnx_file, mean=(0.5,), std=(0.5, 0.25, 0.2))
    scale = torch.tensor([0.5, 0.25, 0.2]).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = layers((pictures.expand(-1, 3, -1, -1) - 0.5) / scale).mean((2, 3))
    torch.testing.assert_close(body(pictures), expected, atol=1e-5, rtol=1e-5)


def test_any_tensor_of_an_onnx_file_can_be_the_embedding(onnx_file, layers):
    import onnx

    tensor = next(node.output[0] for node in onnx.load(onnx_file).graph.node if node.op_type == "Relu")
    pictures = torch.rand(2, 3, *SIDES)
    body = OnnxBody(f"{onnx_file}::{tensor}")
    with torch.no_grad():
        expected = layers[:2](pictures).mean((2, 3))
    torch.testing.assert_close(body(pictures), expected, atol=1e-5, rtol=1e-5)
    assert body.n_embedding == 4


@pytest.mark.slow
def test_the_graph_travels_in_the_recognizer(onnx_file):
    """It answers as in training, also when the file that it came from is gone."""
    import onnxruntime

    config = TransferConfig(backbone=onnx_file, mean=(0.5,), std=(0.5,))
    network = config.build(n_labels=4, input_shape=(1, *SIDES)).eval()
    model = export_network(network, InkRaster(height=SIDES[0], width=SIDES[1]))
    assert {entry.domain for entry in model.opset_import} == {""}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    pictures = np.random.default_rng(0).random((3, 1, *SIDES), dtype=np.float32)
    logits, embedding = session.run(["logits", "embedding"], {"features": pictures})
    with torch.no_grad():
        np.testing.assert_allclose(logits, network(torch.from_numpy(pictures)), atol=1e-5)
    assert embedding.shape == (3, 5)


def test_an_onnx_file_of_one_size(tmp_path, layers):
    path = export(tmp_path / "one-size.onnx", layers, free=(0,))
    config = TransferConfig(backbone=path)
    assert config.build(n_labels=2, input_shape=(1, *SIDES)).body.size == SIDES
    with pytest.raises(
        ConfigError, match=r"takes pictures of 32 × 40 only, and these are 64 × 64; set model\.size = \[32"
    ):
        config.build(n_labels=2, input_shape=(1, 64, 64))
    with pytest.raises(ConfigError, match=r"takes 3 channel\(s\), and these pictures have 2"):
        config.build(n_labels=2, input_shape=(2, *SIDES))


def test_an_onnx_file_of_one_batch_size(tmp_path, layers):
    path = export(tmp_path / "one-batch.onnx", layers, free=(2, 3))
    with pytest.raises(ModelError, match="exported for one batch size; export it with a dynamic batch axis"):
        OnnxBody(path)


def test_an_onnx_file_of_something_else(tmp_path):
    class Sum(nn.Module):
        def forward(self, samples):
            return samples.sum(1)

    path = tmp_path / "samples.onnx"
    torch.onnx.export(Sum(), (torch.zeros(2, 100),), path, input_names=["samples"], dynamo=False)
    with pytest.raises(ModelError, match=r"its inputs are samples; a backbone has one, float32 pictures"):
        OnnxBody(str(path))


def test_what_is_no_onnx_file(tmp_path):
    (tmp_path / "page.onnx").write_text("<html>Not found</html>")
    with pytest.raises(ModelError, match=r"page\.onnx: is not a whole ONNX file"):
        OnnxBody(str(tmp_path / "page.onnx"))
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such ONNX file"):
        TransferConfig(backbone=str(tmp_path / "nowhere.onnx")).fetch()


def test_scales_of_another_number_of_channels(onnx_file):
    with pytest.raises(ConfigError, match=r"hold 2 and 1 numbers; give one, or one for each of its 3 channel"):
        OnnxBody(onnx_file, mean=(0.4, 0.5))


def test_unknown_names():
    sentence = r"no backbone, timm model or \.onnx file called 'musicn-msd' \(did you mean 'musicnn-msd'\?\)"
    for look_up in (find_backbone, features_of_backbone):
        with pytest.raises(UnknownNameError, match=sentence):
            look_up("musicn-msd")


def test_weights_for_a_backbone_that_has_its_own():
    with pytest.raises(ConfigError, match=r"'musicnn-msd' has weights of its own; leave model\.weights"):
        find_backbone("musicnn-msd", weights="mine.safetensors")


def test_nothing_is_loaded_to_know_the_features():
    assert features_of_backbone("nowhere.onnx") is None
    assert features_of_backbone("resnet18") is None
    assert features_of_backbone("musicnn-msd") == PRETRAINED["musicnn-msd"].features


def test_an_open_stage_of_a_graph_that_cannot_learn(onnx_file):
    from earmark.training.parameters import freeze
    from earmark.training.training_config import Training

    network = TransferConfig(backbone=onnx_file).build(n_labels=2, input_shape=(1, *SIDES))
    with pytest.raises(ConfigError, match=r"open_stages = 1, but this network has 0 before its head"):
        freeze(network, Training(freeze="backbone", open_stages=1))


def test_embeddings_of_another_size_or_scale_are_others():
    """They are cached under all that they depend on."""
    from earmark.training.embeddings import _fingerprint

    settings = [
        {},
        {"size": (64, 64)},
        {"size": (96, 64)},
        {"normalize": "peak"},
        {"normalize": "peak", "floor_db": 60.0},
    ]
    networks = [
        TransferConfig(backbone="test_resnet", weights="none", **each).build(n_labels=2, input_shape=(1, *SIDES))
        for each in settings
    ]
    for network in networks:
        network.body.load_state_dict(networks[0].body.state_dict())
    assert len({_fingerprint(network) for network in networks}) == len(settings)
