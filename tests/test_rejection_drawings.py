"""Drawings that are no symbols: repeatable, drawable, of many kinds, and none of them a symbol's look-alike."""

import numpy as np
import pytest

from earmark.errors import DataError, UnknownNameError
from earmark.ink import draw_strokes, make_ink
from earmark.rejection.drawings import FAMILIES, make_ood, ood_kinds
from earmark.rejection.drawings.glyphs import follow, glyph_mask, glyph_strokes, thin
from earmark.rejection.drawings.hand import by_hand, resampled
from earmark.rejection.drawings.letters import ALPHABETS, LOOK_ALIKES

KINDS = ood_kinds()


def _made(kind, seed=0):
    return make_ood(kind, np.random.default_rng(seed))


def _raster(ink):
    return draw_strokes(ink, height=28, width=28)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_valid_ink_that_can_be_drawn(kind):
    for seed in range(3):
        ink = _made(kind, seed)
        assert make_ink(ink.strokes, where=kind).strokes
        assert all(stroke.dtype == np.float32 for stroke in ink.strokes)
        assert np.ptp(np.concatenate(ink.strokes), axis=0).max() > 0
        assert _raster(ink).sum() > 10


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_decides_on_everything(kind):
    for a, b in zip(_made(kind, 3).strokes, _made(kind, 3).strokes, strict=True):
        np.testing.assert_array_equal(a, b)
    pictures = [_raster(_made(kind, seed)).tobytes() for seed in range(3)]
    assert len(set(pictures)) == 3


def test_kinds_look_different_from_each_other():
    mean = {kind: np.mean([_raster(_made(kind, seed)) for seed in range(3)], axis=0) for kind in KINDS}
    flat = np.stack(list(mean.values())).reshape(len(KINDS), -1)
    distance = np.abs(flat[:, None] - flat[None]).mean(axis=2)
    assert len(KINDS) == len(set(KINDS)) >= 50
    assert distance[~np.eye(len(KINDS), dtype=bool)].min() > 0.02


def test_every_kind_is_of_one_family():
    assert sorted(kind for kinds in FAMILIES.values() for kind in kinds) == sorted(KINDS)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(
        UnknownNameError, match=r"no kind of out-of-distribution drawing called 'star\?'.*did you mean 'star'"
    ):
        make_ood("star?", np.random.default_rng(0))


def test_look_alikes_of_symbols_are_left_out():
    for name in ("latin-capitals", "latin-small", "digits"):
        assert not set(ALPHABETS[name][0]) & LOOK_ALIKES


def _box_of_missing(font):
    try:
        return glyph_mask("\uffff", font)
    except DataError:
        return None


def test_a_character_without_ink_is_refused():
    with pytest.raises(DataError, match="DejaVuSans draws nothing for ' '; choose another"):
        glyph_mask(" ", "DejaVuSans")


def test_every_character_has_ink_in_the_fonts():
    for characters, fonts in ALPHABETS.values():
        for font in fonts[:2]:
            box = _box_of_missing(font)
            assert not [c for c in characters if np.array_equal(glyph_mask(c, font), box)], font


def test_thinning_leaves_a_line_of_one_pixel_that_keeps_its_parts():
    mask = np.zeros((30, 30), dtype=bool)
    mask[3:27, 5:10] = mask[20:25, 5:27] = True
    line = thin(mask)
    assert not line[~mask].any()
    squares = line[:-1, :-1] & line[1:, :-1] & line[:-1, 1:] & line[1:, 1:]
    assert not squares.any()
    assert 30 < line.sum() < 60


def test_a_crossing_is_followed_straight_on():
    line = np.zeros((21, 21), dtype=bool)
    line[10, :] = line[:, 10] = True
    strokes = follow(line)
    assert sorted(np.ptp(stroke, axis=0).tolist() for stroke in strokes) == [[0, 20], [20, 0]]


def test_letters_are_followed_in_few_strokes():
    assert len(glyph_strokes("S", "DejaVuSans")) == 1
    assert len(glyph_strokes("L", "DejaVuSans")) == 1
    assert 2 <= len(glyph_strokes("A", "DejaVuSans")) <= 4
    assert len(glyph_strokes("i", "DejaVuSans")) == 2


def test_points_are_laid_evenly_with_both_ends():
    points = resampled(np.array([[0.0, 0], [1, 0], [1, 3]]), step=0.5)
    np.testing.assert_array_equal(points[[0, -1]], [[0, 0], [1, 3]])
    assert len(points) == 9
    np.testing.assert_array_equal(resampled(np.array([[2.0, 2], [2, 2]]), step=0.5), [[2, 2], [2, 2]])


def test_a_lone_dot_can_be_drawn_by_hand():
    for seed in range(20):
        ink = by_hand([np.array([[5.0, 5.0]])], np.random.default_rng(seed))
        assert np.isfinite(np.concatenate(ink.strokes)).all()
