"""Views that are made when they are needed are those that would have been cached."""

import numpy as np

from earmark.data import read_manifest
from earmark.features import FeatureCache
from earmark.training import Recipe
from earmark.training.examples import prepare


def _prepared(tmp_path, *, fresh):
    recipe = Recipe.parse(
        {
            "name": "test",
            "features": {"kind": "ink-raster", "height": 16, "width": 16},
            "model": {"kind": "residual"},
            "augment": [{"kind": "ink-warp"}],
            "training": {"views": 3, "fresh_views": fresh},
        },
        where="test",
    )
    manifest = read_manifest(tmp_path / "HOMUS")
    cache = FeatureCache(tmp_path / f"cache-{fresh}")
    return prepare(manifest, recipe, labels=manifest.labels, cache=cache, augmented=True), cache


def test_fresh_views_are_the_cached_ones_and_are_not_stored(tmp_path):
    for writer in ("1", "2"):
        folder = tmp_path / "HOMUS" / writer
        folder.mkdir(parents=True)
        (folder / f"{writer}-1.txt").write_text(f"Dot\n1,1;2,{writer};3,1;\n")
        (folder / f"{writer}-2.txt").write_text(f"Barline\n1,1;1,{writer}0;\n")
    (cached, full), (fresh, small) = (_prepared(tmp_path, fresh=fresh) for fresh in (False, True))
    assert cached.n_views == fresh.n_views == 4
    for i in range(4):
        for v in range(4):
            np.testing.assert_array_equal(cached.load(i, v).random(0, None), fresh.load(i, v).random(0, None))
    n_full, n_small = (sum(path.is_file() for path in cache.folder.rglob("*")) for cache in (full, small))
    assert n_full == 4 * n_small
