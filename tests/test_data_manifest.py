"""The manifest itself, its fingerprint, writing it down, and the checks."""

from __future__ import annotations

import io
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.data import Example, Manifest, content_sha256, read_content, read_manifest
from earmark.data.archive import split_member
from earmark.errors import DataError, UnreadableError, UsageError


def manifest(*examples: Example, domain="sound", root: Path = Path("data")) -> Manifest:
    return Manifest(examples=examples, domain=domain, root=root, name="mine")


def folder(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, 0.1 * np.random.default_rng(seed).standard_normal(400), 8_000)
    return root


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"path": ""}, "has no path"),
        ({"label": " "}, "has no label"),
        ({"split": "dev"}, "the split is 'dev'; allowed are train, valid, test"),
        ({"start_s": float("nan")}, "the span starts at nan"),
        ({"duration_s": -1.0}, r"the span lasts -1\.0 s"),
    ],
)
def test_an_example_is_checked(values, sentence):
    with pytest.raises(DataError, match=sentence):
        Example(**({"path": "a.wav", "label": "x", "group": "g"} | values))


def test_nothing_changes_after_it_is_made():
    example = Example("a.wav", "x", "g")
    with pytest.raises(FrozenInstanceError):
        example.label = "y"
    with pytest.raises(DataError, match=r"a\.wav is listed twice"):
        manifest(example, example)
    with pytest.raises(UsageError, match="no split called 'dev'"):
        manifest(example).part("dev")
    with pytest.raises(ValueError, match="zip"):
        manifest(example).with_splits(["train", "test"])
    with pytest.raises(DataError, match="not a feature table"):
        _ = manifest(example).table


def test_the_fingerprint_is_of_what_matters(tmp_path):
    names = ("a/1.wav", "a/2.wav", "b/3.wav")
    read = read_manifest(folder(tmp_path / "here", *names), groups="(.)/")
    moved = read_manifest(folder(tmp_path / "there", *names), groups="(.)/")
    assert read.fingerprint == moved.fingerprint
    assert read.fingerprint == replace(read, examples=read.examples[::-1]).fingerprint
    assert read.fingerprint == read.with_splits(["train", "test", None]).fingerprint
    others = [
        replace(read, examples=read.examples[1:]),
        replace(read, examples=(replace(read.examples[0], label="b"), *read.examples[1:])),
        replace(read, examples=(replace(read.examples[0], group="c"), *read.examples[1:])),
        replace(read, examples=(replace(read.examples[0], duration_s=0.01), *read.examples[1:])),
    ]
    with soundfile.SoundFile(moved.root / "a/1.wav", "r+") as file:
        file.write(np.zeros(1))
    others.append(read_manifest(moved.root, groups="(.)/"))
    assert len({read.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_hashes_are_of_the_content(tmp_path):
    import hashlib

    read = read_manifest(folder(tmp_path, "a/1.wav", "b/2.wav"))
    assert all(example.sha256 is None for example in read)
    expected = [hashlib.sha256((tmp_path / example.path).read_bytes()).hexdigest() for example in read]
    hashed = read.hashed(workers=2)
    assert [example.sha256 for example in hashed] == expected
    assert content_sha256(tmp_path, "a/1.wav") == expected[0]
    assert hashed.hashed() is hashed
    (tmp_path / "a/1.wav").unlink()
    with pytest.raises(UnreadableError, match=r"a/1\.wav: cannot be read"):
        _ = read.fingerprint


@pytest.mark.parametrize("name", ["out/deep/m.csv", "m.parquet"])
def test_written_and_read_again_it_is_the_same(tmp_path, name):
    data = read_manifest(folder(tmp_path / "data", "a/1.wav", "ä, ö/2.wav"))
    first, second = data.examples
    data = replace(
        data,
        examples=(replace(first, split="train", start_s=0.0, duration_s=0.025), replace(second, licence="CC0")),
    )
    write = data.to_csv if name.endswith("csv") else data.to_parquet
    write(tmp_path / name)
    again = read_manifest(tmp_path / name)
    assert [replace(e, path="x") for e in again] == [replace(e, path="x") for e in data]
    assert len(read_content(again, again.examples[0]).samples) == 200
    assert again.fingerprint == data.fingerprint


def test_rows_of_arrays_survive_a_manifest_file(tmp_path):
    np.savez(
        tmp_path / "x.npz", X=np.arange(24).reshape(2, 3, 4), track=np.array(["t", "u"]), label=np.array(["a", "b"])
    )
    read_manifest(tmp_path / "x.npz").to_csv(tmp_path / "m.csv")
    again = read_manifest(tmp_path / "m.csv")
    assert again.domain == "picture"
    assert [example.track for example in again] == ["t", "u"]
    np.testing.assert_array_equal(read_content(again, again.examples[1]).values, np.arange(12, 24).reshape(3, 4))
    with pytest.raises(DataError, match=r"there is no such row; x\.npz holds rows 0 to 1"):
        read_content(again, replace(again.examples[0], path="x.npz::2"))
    with pytest.raises(DataError, match="names no row"):
        read_content(again, replace(again.examples[0], path="x.npz"))


def test_sounds_inside_a_zip(tmp_path):
    import zipfile

    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(80), 8_000, format="WAV")
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.writestr("a.wav", stream.getvalue())
        archive.writestr("b.wav", b"text")
    (tmp_path / "m.csv").write_text("path,label\ns.zip::a.wav,x\ns.zip::b.wav,y\ns.zip::c.wav,z\n")
    data = read_manifest(tmp_path / "m.csv")
    assert data.domain == "sound"
    assert len(read_content(data, data.examples[0]).samples) == 80
    with pytest.raises(UnreadableError, match=r"s\.zip::b\.wav: .*is not a sound"):
        read_content(data, data.examples[1])
    with pytest.raises(UnreadableError, match=r"holds no 'c\.wav'"):
        read_content(data, data.examples[2])


def test_paths_of_members():
    assert split_member("a.zip::b/c.txt") == ("a.zip", "b/c.txt")
    assert split_member("odd::name.wav") == ("odd::name.wav", None)
