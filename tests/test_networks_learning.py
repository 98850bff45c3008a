"""What may learn, how fast and in how many pieces; augmentations that recipes of the classics ask for."""

from __future__ import annotations

import pytest
import torch

from earmark.errors import ConfigError
from earmark.models import BackboneConfig, MlpConfig
from earmark.training import Recipe, Training, load_recipe
from earmark.training.augment import Flip, TimeShift
from earmark.training.learner import make_learner, take_step


def backbone():
    torch.manual_seed(0)
    return BackboneConfig(name="test_resnet").build(n_labels=3, input_shape=(1, 32, 32))


def after_steps(network, training, n=2):
    """Return the network's state after a few steps on the same batches."""
    learner = make_learner(network, training=training, augment=[], n_steps=4)
    network.train()
    generator = torch.Generator().manual_seed(1)
    for _ in range(n):
        pictures = torch.rand(6, *network.input_shape, generator=generator)
        take_step(learner, pictures, torch.eye(3).repeat(2, 1))
    return network.state_dict()


def test_a_closed_backbone_stays_as_it_is_and_its_statistics_too():
    before = {key: value.clone() for key, value in backbone().state_dict().items()}
    after = after_steps(backbone(), Training(freeze="backbone"))
    assert {key for key in after if not torch.equal(after[key], before[key])} == {"head.1.weight", "head.1.bias"}


def test_the_last_stage_may_stay_open():
    before = {key: value.clone() for key, value in backbone().state_dict().items()}
    after = after_steps(backbone(), Training(freeze="backbone", open_stages=1))
    changed = {
        key.split(".")[2] for key in after if key.startswith("body") and not torch.equal(after[key], before[key])
    }
    assert changed == {"layer4"}


def test_more_open_stages_than_there_are():
    with pytest.raises(ConfigError, match=r"open_stages = 9, but this network has 5 before its head; give 0…5"):
        make_learner(backbone(), training=Training(freeze="backbone", open_stages=9), augment=[], n_steps=2)


def test_a_step_in_pieces_is_the_same_step():
    whole, pieces = (after_steps(backbone(), Training(freeze="backbone", accumulate=n_pieces)) for n_pieces in (1, 4))
    assert all(torch.allclose(whole[key], pieces[key], atol=1e-6) for key in whole)


def test_earlier_stages_learn_more_slowly():
    learner = make_learner(backbone(), training=Training(learning_rate=1.0, stage_decay=0.5), augment=[], n_steps=4)
    peaks = {group["max_lr"] for group in learner.optimizer.param_groups}
    assert peaks == {0.5**distance for distance in range(6)}
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == len(list(backbone().parameters()))


def test_the_learning_rate_drops_halfway():
    network = MlpConfig(widths=(4,)).build(n_labels=3, input_shape=(1, 4, 8))
    training = Training(optimizer="adam", schedule="step", learning_rate=0.4)
    learner = make_learner(network, training=training, augment=[], n_steps=4)
    assert isinstance(learner.optimizer, torch.optim.Adam)
    rates = []
    for _ in range(4):
        rates.append(learner.optimizer.param_groups[0]["lr"])
        take_step(learner, torch.rand(3, 1, 4, 8), torch.eye(3))
    assert rates == [0.4, 0.4, 0.1, 0.1]


def test_time_shift_moves_and_lets_silence_in():
    pictures = torch.rand(20, 1, 3, 10) + 0.1
    moved, _ = TimeShift(max_share=0.5)(pictures, torch.eye(20), torch.Generator().manual_seed(0))
    for before, after in zip(pictures, moved, strict=True):
        kept = (after > 0).all(1)[0].nonzero().flatten()
        candidates = [before[..., i : i + len(kept)] for i in range(10 - len(kept) + 1)]
        assert any(torch.equal(after[..., kept], candidate) for candidate in candidates)
    assert not torch.equal(moved, pictures)


@pytest.mark.parametrize(("axis", "dimension"), [("horizontal", 3), ("vertical", 2)])
def test_flip_mirrors_half(axis, dimension):
    pictures = torch.rand(40, 1, 3, 4)
    flipped, _ = Flip(axis=axis)(pictures, torch.eye(40), torch.Generator().manual_seed(0))
    mirrored = pictures.flip(dimension)
    n_mirrored = sum(torch.equal(a, b) for a, b in zip(flipped, mirrored, strict=True))
    n_same = sum(torch.equal(a, b) for a, b in zip(flipped, pictures, strict=True))
    assert n_mirrored + n_same == 40
    assert 8 < n_mirrored < 32


def test_a_spectrogram_is_never_mirrored():
    values = load_recipe("genre/cnn").model_dump(mode="json")
    with pytest.raises(
        ConfigError, match=r"'flip' is for ink, not for sound \(a mirrored spectrogram is another sound"
    ):
        Recipe.parse({**values, "augment": [{"kind": "flip"}]}, where="test")


def test_the_length_of_the_pictures_is_one_field():
    for length_s in (3, 10, 15):
        recipe = load_recipe("genre/minivgg-3", overrides=[f"window.length_s={length_s}"])
        assert (recipe.window.length_s, recipe.model.size) == (length_s, (480, 640))
