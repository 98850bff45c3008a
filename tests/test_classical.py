"""Classical models: what they promise, and that every exported pipeline answers like the fitted one."""

import numpy as np
import onnx
import onnxruntime
import pytest

from earmark.errors import ModelError, UnknownNameError
from earmark.tables.classical import CLASSIFIERS, TRANSFORMS, grid, logits, pipeline
from earmark.tables.mlp import DenseNet
from earmark.tables.onnx_nodes import to_onnx

N_FEATURES = 10


def table(n_labels, *, n=120, seed=0):
    """Return overlapping blobs as float32 values, one column constant, in unlike units."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(n_labels, N_FEATURES))
    truth = np.arange(n) % n_labels
    rows = (centres[truth] + rng.normal(size=(n, N_FEATURES))) * np.logspace(-3, 3, N_FEATURES)
    rows[:, 4] = 7
    return rows.astype(np.float32).astype(float), np.array(["d", "a", "c", "b"])[truth]


def fitted(transform, model, rows, truth, **settings):
    made = pipeline(transform, model)
    if model == "neural-net":
        made.set_params(model__n_epochs=3, model__widths=(16, 8), model__dropout=(0.1, 0.1))
    if model in {"forest", "extra-trees"}:
        made.set_params(model__n_estimators=20)
    if model == "boosting":
        made.set_params(model__max_iter=15)
    return made.set_params(**settings).fit(rows, truth)


def answers(made, rows):
    model = to_onnx(made)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"features": rows.astype(np.float32)[:, None, :, None]})[0]


def assert_parity(made, rows):
    exported, expected = answers(made, rows), logits(made, rows)
    assert exported.dtype == np.float32
    assert np.array_equal(made.classes_[exported.argmax(axis=1)], made.predict(rows))
    if hasattr(made, "decision_function"):
        np.testing.assert_allclose(exported, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    else:
        np.testing.assert_allclose(np.exp(exported), np.exp(expected), atol=1e-6)


PAIRS = [(transform, model, 4) for transform in TRANSFORMS for model in CLASSIFIERS]
PAIRS += [("none", model, 2) for model in CLASSIFIERS]


@pytest.mark.parametrize(("transform", "model", "n_labels"), PAIRS)
def test_an_exported_pipeline_answers_like_the_fitted_one(transform, model, n_labels):
    rows, truth = table(n_labels)
    made = fitted(transform, model, rows, truth)
    fresh, _ = table(n_labels, n=80, seed=1)
    assert_parity(made, rows)
    assert_parity(made, fresh)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("n_neighbors", [1, 3])
def test_neighbours_at_distance_zero_decide(n_neighbors, weights):
    rows, truth = table(3)
    rows[1], truth[1] = rows[0], "z"
    made = fitted("none", "neighbours", rows, truth, model__n_neighbors=n_neighbors, model__weights=weights)
    assert_parity(made, rows[2:])
    if weights == "distance" and n_neighbors == 3:
        shares = np.exp(answers(made, rows[:1]))[0]
        assert shares[list(made.classes_).index("z")] == pytest.approx(0.5)


@pytest.mark.parametrize("model", list(CLASSIFIERS))
def test_models_learn_what_is_easy_and_repeat_themselves(model):
    rows, truth = table(3)
    rows[:, 0] = np.unique(truth, return_inverse=True)[1] * 0.01
    first, second = (fitted("none", model, rows, truth, **_enough(model)) for _ in range(2))
    assert first.score(rows, truth) > 0.85
    assert np.array_equal(logits(first, rows), logits(second, rows))


def _enough(model):
    return {"model__n_epochs": 100} if model == "neural-net" else {}


@pytest.mark.parametrize("model", list(CLASSIFIERS))
@pytest.mark.parametrize("transform", list(TRANSFORMS))
def test_every_searched_setting_exists(transform, model):
    made = pipeline(transform, model)
    for name, values in grid(transform, model).items():
        assert len(set(values)) > 1
        for value in values:
            made.set_params(**{name: value})


def test_the_neural_net_folds_its_normalisation():
    import torch

    rows, truth = table(3)
    net = DenseNet(widths=(8, 4), dropout=(0.0, 0.5), n_epochs=2)
    net.classes_ = np.unique(truth)
    torch.manual_seed(0)
    network = net._network(N_FEATURES)
    inputs = torch.from_numpy(rows.astype(np.float32) / 1000)
    network.train()
    network(inputs)
    network.eval()
    from earmark.tables.mlp import _folded

    net.layers_ = _folded(network)
    with torch.no_grad():
        np.testing.assert_allclose(net.decision_function(rows / 1000), network(inputs).numpy(), atol=1e-5)


def test_the_neural_net_refuses_uneven_settings():
    rows, truth = table(2)
    with pytest.raises(ValueError, match="must be as many"):
        DenseNet(widths=(8, 4), dropout=(0.1,)).fit(rows, truth)


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'ridge'"):
        pipeline("none", "rigde")
    with pytest.raises(UnknownNameError, match="no transform called 'fourier'"):
        pipeline("fourier", "ridge")


def test_only_fitted_pipelines_are_exported():
    with pytest.raises(ModelError, match="not fitted"):
        to_onnx(pipeline("none", "ridge"))
