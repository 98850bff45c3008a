"""Augmentations of drawings: the same symbol by another hand, and as a scan."""

import numpy as np
import pytest
import torch

from earmark.features import InkRaster
from earmark.features.ink_raster import USUAL_STAFF_SPACE
from earmark.ink import draw_strokes, make_ink
from earmark.training.augment import AUGMENTATIONS, Drawn, InkOnly, InkScan, InkSize, InkWarp
from earmark.types import Image, Ink, Sound

NOTE = make_ink(
    [[(10, 60), (4, 64), (10, 68), (16, 64), (10, 60)], [(16, 64), (16, 5)], [(16, 5), (30, 20)]], where="test"
)
STILL = dict.fromkeys(
    ["rotate_degrees", "shear", "stretch", "bend", "stroke_shift", "stroke_scale", "jitter", "uneven", "reorder"], 0
)


def _apply(change, content=NOTE, seed=0):
    return change(content, Drawn("note"), np.random.default_rng(seed))


def test_all_are_registered():
    assert AUGMENTATIONS["ink-warp"] is InkWarp
    assert AUGMENTATIONS["ink-scan"] is InkScan
    assert AUGMENTATIONS["ink-only"] is InkOnly
    assert AUGMENTATIONS["ink-size"] is InkSize


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


def test_an_uneven_warp_stretches_parts_and_folds_nothing():
    ladder = make_ink([[(x, x) for x in range(100)]], where="test")
    change = InkWarp(**{**STILL, "uneven": 0.3})
    for seed in range(20):
        (stroke,) = _apply(change, ladder, seed).strokes
        steps = np.diff(stroke, axis=0)
        assert steps.min() > 0
        assert np.ptp(steps) > 0.01


def test_reordered_strokes_are_the_same_drawing():
    change = InkWarp(**{**STILL, "reorder": 1})
    orders = [_apply(change, seed=seed) for seed in range(10)]
    for ink in orders:
        np.testing.assert_allclose(draw_strokes(ink), draw_strokes(NOTE), atol=1e-3)
    assert len({ink.strokes[0].tobytes() for ink in orders}) > 3


def test_size_changes_only_what_is_known_of_the_size():
    raster = InkRaster(channels=("ink", "size"))
    changed = _apply(InkSize(size=0.5, foreign_units=0))
    assert changed.strokes is NOTE.strokes
    assert np.abs(raster(changed)[1] - raster(NOTE)[1]).min() > 0.01
    scan = _apply(InkScan(probability=1, known_space=1))
    assert _apply(InkSize(size=0.5), scan).staff_space_px != scan.staff_space_px
    unknown = _apply(InkScan(probability=1, known_space=0))
    assert _apply(InkSize(size=0.5), unknown) is unknown


def test_foreign_units_scale_by_up_to_sixteen():
    factors = np.array(
        [USUAL_STAFF_SPACE / _apply(InkSize(size=0, foreign_units=0.5), seed=seed).staff_space for seed in range(200)]
    )
    assert 0.35 < np.mean(np.isclose(factors, 1)) < 0.65
    assert 1 / 16.1 < factors.min() < 1 / 8
    assert 8 < factors.max() < 16.1


def test_a_lone_point_survives_and_a_scan_of_it_is_a_blob():
    dot = make_ink([[(5, 5)]], where="test")
    assert draw_strokes(_apply(InkWarp(), dot)).sum() > 0
    filled = [InkRaster(scan_pen="kept")(_apply(InkScan(probability=1), dot, seed))[0].mean() for seed in range(12)]
    assert np.median(filled) > 0.4


def test_scans_read_back_as_the_drawing():
    expected = draw_strokes(NOTE, height=32, width=32)
    differences = []
    for seed in range(25):
        scan = _apply(InkScan(probability=1, pen_spaces=(0.1, 0.3), staff=0.3), seed=seed)
        assert isinstance(scan, Image)
        differences.append(np.abs(InkRaster(height=32, width=32)(scan)[0] - expected).mean() / expected.mean())
    assert np.median(differences) < 0.45


def test_a_scan_knows_its_staff_space():
    for seed in range(12):
        scan = _apply(InkScan(probability=1, known_space=1, pen_spaces=(0.1, 0.12), staff=0, bilevel=1), seed=seed)
        raster = InkRaster(channels=("ink", "size"))
        assert raster(scan)[1].max() == pytest.approx(raster(NOTE)[1].max(), abs=0.04)


def test_the_share_of_scans_is_the_probability():
    n_scans = sum(isinstance(_apply(InkScan(probability=0.3), seed=seed), Image) for seed in range(300))
    assert 60 < n_scans < 120


@pytest.mark.parametrize("change", [InkWarp(), InkScan(probability=1), InkSize()])
def test_what_has_no_strokes_passes_through(change):
    for content in (Image(np.zeros((9, 9), np.uint8)), Sound(np.zeros(9, np.float32), 8000)):
        assert _apply(change, content) is content
