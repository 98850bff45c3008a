"""Augmentations of drawings: the same symbol by another hand, and as a scan."""

import numpy as np
import pytest
import torch

from earmark.features import InkRaster
from earmark.ink import draw_strokes, make_ink
from earmark.training.augment import AUGMENTATIONS, Drawn, InkOnly, InkScan, InkWarp
from earmark.types import Image, Ink, Sound

NOTE = make_ink(
    [[(10, 60), (4, 64), (10, 68), (16, 64), (10, 60)], [(16, 64), (16, 5)], [(16, 5), (30, 20)]], where="test"
)
STILL = dict.fromkeys(
    ["rotate_degrees", "shear", "stretch", "bend", "stroke_shift", "stroke_scale", "jitter", "size", "foreign_units"], 0
)


def _apply(change, content=NOTE, seed=0):
    return change(content, Drawn("note"), np.random.default_rng(seed))


def test_all_are_registered():
    assert AUGMENTATIONS["ink-warp"] is InkWarp
    assert AUGMENTATIONS["ink-scan"] is InkScan
    assert AUGMENTATIONS["ink-only"] is InkOnly


def test_ink_only_hides_every_plane_but_the_first():
    pictures, targets = torch.rand(400, 3, 4, 5) + 0.1, torch.eye(400)
    changed, same = InkOnly(probability=0.25)(pictures, targets, torch.Generator().manual_seed(0))
    hidden = (changed[:, 1:] == 0).all(3).all(2).all(1)
    assert 70 < hidden.sum() < 130
    assert torch.equal(changed[:, 0], pictures[:, 0])
    assert torch.equal(changed[~hidden], pictures[~hidden])
    assert torch.equal(same, targets)


@pytest.mark.parametrize("change", [InkWarp(), InkScan(probability=1)])
def test_the_same_seed_gives_the_same_drawing_and_another_another(change):
    raster = InkRaster(channels=("ink", "direction", "progress", "size"))
    first, again, other = (raster(_apply(change, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.001


def test_a_warp_of_strength_zero_only_moves_the_drawing():
    np.testing.assert_allclose(draw_strokes(_apply(InkWarp(**STILL))), draw_strokes(NOTE), atol=1e-3)


def test_a_warp_keeps_strokes_points_and_the_look():
    rasters = []
    for seed in range(20):
        warped = _apply(InkWarp(), seed=seed)
        assert isinstance(warped, Ink)
        assert [stroke.shape for stroke in warped.strokes] == [stroke.shape for stroke in NOTE.strokes]
        assert all(stroke.dtype == np.float32 for stroke in warped.strokes)
        rasters.append(draw_strokes(warped, height=24, width=24))
    alike = np.corrcoef(np.mean(rasters, axis=0).ravel(), draw_strokes(NOTE, height=24, width=24).ravel())[0, 1]
    assert alike > 0.7


def test_a_turn_is_a_turn():
    line = make_ink([[(0, 0), (100, 0)]], where="test")
    change = InkWarp(**{**STILL, "rotate_degrees": 10})
    angles = [
        np.degrees(np.arctan2(*(stroke[-1] - stroke[0])[::-1]))
        for seed in range(200)
        for stroke in _apply(change, line, seed).strokes
    ]
    assert np.std(angles) == pytest.approx(10, rel=0.2)
    assert np.max(np.abs(angles)) <= 30.1


def test_size_changes_only_the_size():
    change = InkWarp(**{**STILL, "size": 0.5})
    warped = _apply(change)
    ratios = np.ptp(np.concatenate(warped.strokes), axis=0) / np.ptp(np.concatenate(NOTE.strokes), axis=0)
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-4)
    assert ratios[0] != pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(draw_strokes(warped), draw_strokes(NOTE), atol=1e-3)


def test_foreign_units_scale_by_up_to_sixteen():
    change = InkWarp(**{**STILL, "foreign_units": 0.5})
    longest = np.array([np.ptp(np.concatenate(_apply(change, seed=seed).strokes), axis=0).max() for seed in range(200)])
    factors = longest / np.ptp(np.concatenate(NOTE.strokes), axis=0).max()
    assert 0.35 < np.mean(np.isclose(factors, 1, atol=1e-3)) < 0.65
    assert 1 / 16.1 < factors.min() < 1 / 8
    assert 8 < factors.max() < 16.1


def test_a_lone_point_survives():
    dot = make_ink([[(5, 5)]], where="test")
    assert draw_strokes(_apply(InkWarp(), dot)).sum() > 0
    assert _apply(InkScan(probability=1), dot) is dot


def test_scans_read_back_as_the_drawing():
    expected = draw_strokes(NOTE, height=32, width=32)
    differences = []
    for seed in range(25):
        scan = _apply(InkScan(probability=1, staff=0.3), seed=seed)
        assert isinstance(scan, Image)
        differences.append(np.abs(InkRaster(height=32, width=32)(scan)[0] - expected).mean() / expected.mean())
    assert np.median(differences) < 0.35


def test_the_share_of_scans_is_the_probability():
    n_scans = sum(isinstance(_apply(InkScan(probability=0.3), seed=seed), Image) for seed in range(300))
    assert 60 < n_scans < 120


@pytest.mark.parametrize("change", [InkWarp(), InkScan(probability=1)])
def test_what_has_no_strokes_passes_through(change):
    for content in (Image(np.zeros((9, 9), np.uint8)), Sound(np.zeros(9, np.float32), 8000)):
        assert _apply(change, content) is content
