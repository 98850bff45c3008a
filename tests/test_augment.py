"""Every augmentation of the registry keeps shapes, targets and repeatability; some are checked by hand."""

from __future__ import annotations

import pytest
import torch

from earmark.training.augment import (
    AUGMENTATIONS,
    Affine,
    BatchAugmentation,
    Elastic,
    FreqShift,
    Mixup,
    SpecAugment,
    Tilt,
)

BATCH = [kind for kind, entry in AUGMENTATIONS.items() if issubclass(entry, BatchAugmentation)]


def batch(n=6, shape=(1, 24, 32)):
    pictures = torch.rand(n, *shape, generator=torch.Generator().manual_seed(3))
    return pictures, torch.nn.functional.one_hot(torch.arange(n) % 4, 4).float()


def seeded():
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("kind", BATCH)
def test_shapes_ranges_and_targets(kind):
    pictures, targets = batch(40, (2, 24, 32))
    changed, new_targets = AUGMENTATIONS[kind]()(pictures.clone(), targets.clone(), seeded())
    assert changed.shape == pictures.shape
    assert not torch.equal(changed, pictures)
    assert changed.min() >= 0
    assert changed.max() <= 1 + 1e-6
    assert torch.allclose(new_targets.sum(1), torch.ones(len(targets)))


@pytest.mark.parametrize("kind", BATCH)
def test_the_same_seed_gives_the_same_change(kind):
    pictures, targets = batch()
    first, second = (AUGMENTATIONS[kind]()(pictures.clone(), targets.clone(), seeded()) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_spec_augment_silences_whole_bands():
    pictures, targets = batch()
    changed, _ = SpecAugment(n_freq=1, n_time=0, freq_share=0.9)(pictures + 0.1, targets, seeded())
    silent_rows = (changed == 0).all(3).squeeze(1)
    assert torch.equal(silent_rows, (changed == 0).any(3).squeeze(1))
    assert silent_rows.any()


def test_mixup_blends_pictures_and_targets_alike():
    targets = torch.eye(5)
    pictures = targets[:, None, None, :].expand(-1, 1, 3, -1).clone()
    changed, new_targets = Mixup(alpha=5.0)(pictures, targets, seeded())
    assert torch.allclose(changed[:, 0, 0], new_targets)
    assert (new_targets.max(1).values >= 0.5).all()


def test_freq_shift_moves_rows():
    pictures = torch.zeros(40, 1, 16, 3)
    pictures[:, :, 8] = 1
    changed, _ = FreqShift(max_bins=3)(pictures, torch.zeros(40, 2), seeded())
    rows = changed[:, 0, :, 0].argmax(1)
    assert set(rows.tolist()) == set(range(5, 12))
    assert torch.equal(changed.sum((1, 2, 3)), torch.full((40,), 3.0))


def test_tilt_leaves_silence_silent():
    pictures, targets = batch()
    pictures[:, :, :, :5] = 0
    changed, _ = Tilt(strength=0.3)(pictures, targets, seeded())
    assert (changed[:, :, :, :5] == 0).all()


def test_affine_turns_by_no_more_than_asked():
    pictures, targets = batch()
    still, _ = Affine(rotate_degrees=0, shear=0, scale=0, shift=0)(pictures, targets, seeded())
    assert torch.allclose(still, pictures, atol=1e-5)
    moved, _ = Affine(rotate_degrees=0, shear=0, scale=0, shift=0.2)(pictures, targets, seeded())
    assert not torch.allclose(moved, pictures, atol=1e-2)


def test_elastic_of_no_strength_is_nearly_still():
    pictures, targets = batch()
    changed, _ = Elastic(strength=1e-6)(pictures, targets, seeded())
    assert torch.allclose(changed, pictures, atol=1e-3)
