"""The networks of the field's classics: their published sizes, and what each promises beyond the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from earmark.errors import ConfigError, ModelError
from earmark.models import Crnn, CrnnConfig, DoubleResidualConfig, MiniVggConfig, MlpConfig, Normalize, Resize
from earmark.runs.compare import count_parameters
from earmark.training import export, load_recipe, shipped_recipes
from earmark.training.export import export_network, export_recurrent
from earmark.units import seconds_to_samples


def n_parameters(config, shape):
    with torch.device("meta"):
        network = config.build(n_labels=10, input_shape=shape)
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("config", "shape", "expected"),
    [
        (MiniVggConfig(widths=(32, 64)), (3, 480, 640), 629_218_218),
        (MiniVggConfig(widths=(32, 64), channels=3, size=(480, 640)), (1, 128, 646), 629_218_218),
        (MiniVggConfig(widths=(32, 64, 128)), (1, 480, 640), 314_866_794),
        (DoubleResidualConfig(), (1, 512, 512), 19_722_450),
    ],
)
def test_published_parameter_counts(config, shape, expected):
    assert n_parameters(config, shape) == expected


@pytest.mark.parametrize("name", [n for n in shipped_recipes() if n.startswith(("genre/", "notes/", "symbols/"))])
def test_every_classic_fits_its_pictures(name):
    recipe = load_recipe(name)
    shape = recipe.features.shape if recipe.window is None else (1, recipe.features.n_bins, frames_of(recipe))
    assert 40_000 < count_parameters(recipe, n_labels=10, input_shape=shape) < 700_000_000


def frames_of(recipe):
    return recipe.features.n_frames(seconds_to_samples(recipe.window.length_s, recipe.features.sample_rate_hz))


def test_published_feature_maps():
    with torch.device("meta"):
        network = DoubleResidualConfig().build(n_labels=10, input_shape=(1, 512, 512))
        maps, sides = torch.zeros(1, 1, 512, 512), []
        for layer in network.body:
            maps = layer(maps)
            if maps.shape[2] not in sides:
                sides.append(maps.shape[2])
    assert sides == [259, 129, 65, 33, 17, 9, 4]


@pytest.mark.parametrize("config", [MiniVggConfig(widths=(4, 4, 4, 4)), DoubleResidualConfig(widths=(4, 4, 4, 4))])
def test_pictures_that_would_be_pooled_away(config):
    with pytest.raises(ConfigError, match=r"cannot take pictures of 8 × 8; each side needs at least"):
        config.build(n_labels=2, input_shape=(1, 8, 8))


def test_colour_pictures_for_a_grey_network():
    with pytest.raises(ConfigError, match=r"channels = 1 cannot take 3-channel pictures; leave channels out"):
        MiniVggConfig(channels=1).build(n_labels=2, input_shape=(3, 32, 32))


def test_a_perceptron_takes_the_numbers_of_a_table_or_statistics_of_a_picture():
    sizes = [MlpConfig().build(n_labels=2, input_shape=(1, 32, n)).body[0].in_features for n in (1, 20)]
    assert sizes == [32, 3 * 32]


def test_a_picture_that_has_its_size_stays_as_it_is():
    picture = torch.rand(2, 1, 9, 13)
    assert torch.equal(Resize((9, 13))(picture), picture)
    assert Resize((4, 6))(picture).shape == (2, 1, 4, 6)


def test_windows_of_any_length_suit_a_network_of_fixed_size():
    network = MiniVggConfig(widths=(4,), hidden=4, size=(16, 24)).build(n_labels=2, input_shape=(1, 20, 30)).eval()
    assert [network(torch.rand(1, 1, 20, n_frames)).shape for n_frames in (6, 30, 100)] == [(1, 2)] * 3


def test_absolute_scaling_does_not_depend_on_the_rest():
    decibels = torch.tensor([-200.0, -80.0, -10.0, 60.0]).view(1, 1, 1, 4)
    scaled = Normalize("absolute", 80.0)(decibels)
    assert torch.allclose(scaled.flatten(), torch.tensor([0.0, 0.0, 0.5, 1.0]))


@pytest.fixture(scope="module")
def listener() -> Crnn:
    """A causal network whose norms have seen something."""
    torch.manual_seed(0)
    config = CrnnConfig(widths=(4, 6), hidden=8, layers=2)
    network = config.build(n_labels=3, input_shape=(1, 20, 30))
    for _ in range(3):
        network(torch.randn(4, 1, 20, 30) * 30)
    return network.eval()


@pytest.mark.parametrize("pieces", [(1,) * 23, (7, 16), (2, 1, 20), (23,)])
@torch.no_grad()
def test_a_stream_gives_what_the_whole_gives(listener, pieces):
    features = torch.randn(2, 1, 20, 23) * 30 - 40
    state = listener.start(2, like=features)
    heard = 0
    for piece in features.split(pieces, dim=3):
        logits, state = listener.advance(piece, state)
        heard += piece.shape[3]
        assert torch.allclose(logits, listener(features[..., :heard]), atol=1e-5)
    assert heard == 23


@torch.no_grad()
def test_no_frame_changes_what_was_heard_before_it(listener):
    features = torch.randn(1, 1, 20, 12) * 30 - 40
    later = features.clone()
    later[..., 8:] += 50
    start = listener.start(1, like=features)
    first, second = (listener.advance(f[..., :8], start)[0] for f in (features, later))
    assert torch.equal(first, second)


def test_a_causal_network_cannot_wait_for_the_peak():
    with pytest.raises(ConfigError, match=r"'peak' needs to know the loudest frame to come"):
        CrnnConfig.parse({"normalize": "peak"}, where="[model]")


@pytest.mark.slow
def test_a_stream_in_the_onnx_file_gives_what_the_whole_gives(listener):
    import onnxruntime

    session = onnxruntime.InferenceSession(export_recurrent(listener).SerializeToString())
    names = [item.name for item in session.get_inputs()]
    rng = np.random.default_rng(0)
    features = rng.normal(-40, 30, (1, 1, 20, 23)).astype(np.float32)
    start = listener.start(1, like=torch.zeros(1))
    state = [*start.contexts, start.hidden, start.total, start.n_frames]
    state = [value.numpy() for value in state]
    for first, last in ((0, 1), (1, 9), (9, 23)):
        logits, _, *state = session.run(None, dict(zip(names, [features[..., first:last], *state], strict=True)))
        with torch.no_grad():
            expected = listener(torch.from_numpy(features[..., :last])).numpy()
        assert np.abs(logits - expected).max() < 1e-4


def test_a_torch_that_cannot_export_is_one_sentence(listener, monkeypatch):
    def fail(*_args, **_settings):
        raise torch.onnx.OnnxExporterError("a stack trace of hundreds of lines")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ModelError, match=r"^torch .* cannot export this network to ONNX; install a newer torch and"):
        export_recurrent(listener)


@pytest.mark.slow
def test_weights_that_are_16_bit_floats_already_are_stored_as_such(monkeypatch):
    import onnx
    import onnxruntime

    monkeypatch.setattr(export, "FEWEST_HALVED", 100)
    torch.manual_seed(0)
    network = MlpConfig(widths=(64,)).build(n_labels=3, input_shape=(1, 40, 1)).eval()
    table = load_recipe("genre/mlp").features
    network.head.weight.data = network.head.weight.data.half().float()
    exported = export_network(network, table)
    stored = {tuple(each.dims): each.data_type for each in exported.graph.initializer}
    assert stored[3, 64] == onnx.TensorProto.FLOAT16
    assert stored[64, 40] == onnx.TensorProto.FLOAT
    rows = np.random.default_rng(0).normal(size=(5, 1, 40, 1)).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(rows)).numpy()
    session = onnxruntime.InferenceSession(exported.SerializeToString())
    np.testing.assert_allclose(session.run(["logits"], {"features": rows})[0], expected, atol=1e-5)


@pytest.mark.slow
def test_weights_too_many_for_one_file_are_kept_in_half_the_bytes(monkeypatch):
    import onnxruntime

    torch.manual_seed(0)
    network = MlpConfig(widths=(256, 64)).build(n_labels=3, input_shape=(1, 40, 1)).eval()
    table = load_recipe("genre/mlp").features
    whole = export_network(network, table)
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    half = export_network(network, table)
    assert half.ByteSize() < 0.7 * whole.ByteSize()
    rows = np.random.default_rng(0).normal(size=(5, 1, 40, 1)).astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(model.SerializeToString()).run(["logits"], {"features": rows})[0]
        for model in (whole, half)
    ]
    np.testing.assert_allclose(*answers, atol=2e-3)
    assert not np.array_equal(*answers)
