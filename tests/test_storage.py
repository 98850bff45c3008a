"""Storage behind URLs is read and written as local folders are; what is wrong with it is one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import s3fs

import earmark
from earmark import sound
from earmark.data import read_content
from earmark.errors import DataError, EarmarkError, MissingExtraError, UnreadableError, UsageError
from earmark.features import FeatureCache
from earmark.files import atomic_path, local_folder, sha256_file, write_text
from earmark.listing import files_under
from earmark.storage import as_path, file_system, is_remote, open_binary, refuse_unwritable, upload
from object_storage import BUCKET, FAULT, put_sounds, s3_server, wav
from tiny import save_tiny


@pytest.fixture(scope="module")
def s3():
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def sounds(s3):
    folder = as_path(f"s3://{BUCKET}/sounds")
    put_sounds(folder)
    return folder


@pytest.fixture
def model(tmp_path):
    return save_tiny(tmp_path / "tiny.onnx")


def test_local_paths_and_file_urls_stay_local():
    assert as_path("a/b.wav") == Path("a/b.wav")
    assert as_path("file:///a/b.wav") == Path("/a/b.wav")
    assert as_path(Path("a")) == Path("a")
    assert not is_remote(as_path("file:///a"))
    assert is_remote(as_path("memory://a"))


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftps://host/a", "'ftps' is no kind of storage"),
        ("https://me:geheim@host/a.wav", "the URL holds a password"),
        ("https://host/a.wav?X-Amz-Signature=geheim", "the URL holds a password or a signature"),
        ("gs://bucket/a", "needs the package gcsfs: pip install gcsfs"),
    ],
)
def test_what_cannot_be_opened_is_refused_without_its_secrets(url, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)) as refusal:
        as_path(url)
    assert "geheim" not in str(refusal.value)


def test_a_missing_package_of_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "s3fs" else SimpleNamespace())
    with pytest.raises(MissingExtraError, match=r"^opening s3://a/b needs the cluster extra"):
        as_path("s3://a/b")


def test_a_folder_behind_a_url_is_read_as_a_local_one(sounds, tmp_path):
    put_sounds(tmp_path / "sounds")
    remote, local = earmark.read_manifest(str(sounds)), earmark.read_manifest(tmp_path / "sounds")
    assert remote.examples == local.examples
    assert remote.name == local.name == "sounds"
    for there, here in zip(remote, local, strict=True):
        if "broken" not in there.path:
            content = read_content(remote, there)
            np.testing.assert_array_equal(content.samples, read_content(local, here).samples)
    assert remote.fingerprint == local.fingerprint


def test_a_list_behind_a_url_and_a_list_of_urls_are_read(sounds, tmp_path):
    manifest = earmark.read_manifest(str(sounds))
    manifest.to_csv(sounds.parent / "list.csv")
    manifest.to_parquet(tmp_path / "list.parquet")
    for source in (f"s3://{BUCKET}/list.csv", tmp_path / "list.parquet"):
        found = earmark.read_manifest(source)
        assert [example.path for example in found] == [f"{sounds}/{example.path}" for example in manifest]
        assert read_content(found, found.examples[1]).sample_rate_hz == 22050


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_predictions_are_those_of_local_files(run, sounds, model, tmp_path, kind):
    folder = sounds if kind == "s3" else as_path("memory://sounds")
    if kind == "memory":
        put_sounds(folder)
    put_sounds(tmp_path / "sounds")
    remote_model = folder.parent / "tiny.onnx" if kind == "s3" else as_path("memory://tiny.onnx")
    upload(model, remote_model)
    code, out, err = run("predict", remote_model, folder, "--format", "csv")
    code_here, out_here, err_here = run("predict", model, tmp_path / "sounds", "--format", "csv")
    assert code == code_here == 1
    assert out.replace(str(folder), "PLACE") == out_here.replace(str(tmp_path / "sounds"), "PLACE")
    assert err.replace(str(folder), "PLACE") == err_here.replace(str(tmp_path / "sounds"), "PLACE")
    assert len(out.splitlines()) == 7


def test_tables_are_written_behind_a_url(run, sounds, tmp_path):
    put_sounds(tmp_path / "sounds")
    for name in ("table.csv", "table.parquet"):
        code, _, err = run("features", sounds, "-o", f"s3://{BUCKET}/made/{name}")
        code_here, *_ = run("features", tmp_path / "sounds", "-o", tmp_path / name)
        assert code == code_here == 1, err
        assert as_path(f"s3://{BUCKET}/made/{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_the_doctor_reads_behind_a_url(run, sounds, tmp_path):
    put_sounds(tmp_path / "sounds")
    there, here = run("check", sounds, "--json"), run("check", tmp_path / "sounds", "--json")
    assert there[0] == here[0] == 1
    assert there[1].replace(str(sounds), "PLACE") == here[1].replace(str(tmp_path / "sounds"), "PLACE")


def test_only_the_beginning_of_a_long_file_is_fetched(s3, monkeypatch):
    place = as_path(f"s3://{BUCKET}/long.wav")
    place.write_bytes(wav(440, seconds=400))
    size = place.stat().st_size
    fetched = []
    plain = s3fs.S3File._fetch_range

    def counted(self, start, end):
        data = plain(self, start, end)
        fetched.append(len(data))
        return data

    monkeypatch.setattr(s3fs.S3File, "_fetch_range", counted)
    heard = sound.read(str(place), duration_s=1.0)
    assert len(heard.samples) == 22050
    assert size > 3 * 4 * 2**20
    assert 0 < sum(fetched) <= 4 * 2**20
    assert sound.info(str(place)).duration_s == pytest.approx(400)


def test_a_connection_that_breaks_is_no_damaged_file(s3, monkeypatch):
    place = as_path(f"s3://{BUCKET}/long.wav")
    place.write_bytes(wav(440, seconds=400))

    plain = s3fs.S3File._fetch_range

    def broken(self, start, end):
        if start:
            raise TimeoutError("read timed out")
        return plain(self, start, end)

    monkeypatch.setattr(s3fs.S3File, "_fetch_range", broken)
    with pytest.raises(UnreadableError, match=r"long.wav: cannot be read \(read timed out\); check the connection"):
        sound.read(str(place))


@pytest.fixture
def impatient(s3, monkeypatch):
    """The library of storage with half a second for an answer, and three attempts."""
    fsspec = pytest.importorskip("fsspec")
    options = {"config_kwargs": {"read_timeout": 0.5, "retries": {"mode": "standard", "total_max_attempts": 3}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    FAULT.n_throttled = FAULT.n_late = 0
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("fault", ["n_throttled", "n_late"])
def test_storage_that_throttles_or_is_late_twice_is_asked_again(impatient, fault):
    place = as_path(f"s3://{BUCKET}/slow.txt")
    setattr(FAULT, fault, 2)
    write_text(place, "whole")
    # Before it sends the whole, a client may ask whether it may go on; the answer to that is in time.
    assert getattr(FAULT, fault) == 0 or fault == "n_late"
    setattr(FAULT, fault, 2)
    with open_binary(place) as stream:
        assert stream.read() == b"whole"
    assert getattr(FAULT, fault) == 0


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("n_throttled", r"(?i)slow ?down|reduce your request rate|unavailable"), ("n_late", r"(?i)time")],
)
def test_storage_that_only_throttles_or_is_always_late_is_one_sentence(impatient, monkeypatch, fault, sentence):
    place = as_path(f"s3://{BUCKET}/slow.txt")
    write_text(place, "whole")
    monkeypatch.setattr(file_system(place), "retries", 2)
    setattr(FAULT, fault, 99)
    with pytest.raises(UnreadableError, match=r"slow.txt: cannot be read \(.*\); check the address and") as refusal:
        open_binary(place).read()
    assert re.search(sentence, str(refusal.value))


def test_what_is_missing_or_forbidden_is_one_sentence(s3, model, run, monkeypatch):
    for url, sentence in (
        ("s3://no-such-bucket/a", r"cannot be read \(.*bucket.*\); check the name of the bucket"),
        (f"s3://{BUCKET}/nothing-here", r"cannot be read \(.*\); check the path"),
    ):
        with pytest.raises(DataError, match=sentence):
            earmark.read_manifest(url)
    code, out, err = run("predict", model, f"s3://{BUCKET}/nothing.wav")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    for arguments in (
        ("s3://no-such-bucket/a.onnx", "a.wav"),
        (model, "a.wav", "--format", "parquet", "-o", "s3://no-such-bucket/answers"),
        (model, "ftps://host/a.wav"),
    ):
        code, out, err = run("predict", *arguments)
        assert (code, out) == (2 if "ftps" in str(arguments) else 1, "")
        assert err.count("\n") == 1

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    files = file_system(as_path(f"s3://{BUCKET}/a"))
    monkeypatch.setattr(files, "info", forbidden)
    with pytest.raises(DataError, match=r"\(Access Denied\); these credentials lack the right to it"):
        earmark.read_manifest(f"s3://{BUCKET}/a")
    monkeypatch.setattr(files, "pipe_file", forbidden)
    with pytest.raises(DataError, match=r"cannot be written \(Access Denied\)"):
        refuse_unwritable(as_path(f"s3://{BUCKET}/a.csv"))


def test_the_web_is_not_written_to(tmp_path):
    with pytest.raises(UsageError, match="https can only be read"):
        write_text("https://localhost/a.txt", "a")


def stop_while_writing(place):
    with atomic_path(place) as local:
        local.write_text("two")
        raise DataError("on purpose")


def stop_during_run(run):
    with local_folder(run) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text("a")
        raise DataError("killed")


def test_a_file_appears_whole_or_not_at_all(s3):
    place = as_path(f"s3://{BUCKET}/notes.txt")
    write_text(place, "one")
    assert place.read_text() == "one"
    assert sha256_file(place)[:8] == "7692c3ad"
    with pytest.raises(EarmarkError, match="on purpose"):
        stop_while_writing(place)
    assert place.read_text() == "one"


def test_a_run_is_kept_here_until_its_storage_has_it(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path))
    run = as_path(f"s3://{BUCKET}/runs/one")
    with pytest.raises(DataError, match="killed"):
        stop_during_run(run)
    with local_folder(run) as folder:
        assert (folder / "deep" / "a.txt").read_text() == "a"
        (folder / "b.txt").write_text("b")
    assert not folder.exists()
    with local_folder(f"s3://{BUCKET}/runs/one") as folder:
        assert sorted(path.name for path in files_under(folder)) == ["a.txt", "b.txt"]


def test_machines_share_a_feature_cache(s3, tmp_path, monkeypatch):
    made = []

    def compute():
        made.append(1)
        return np.ones((1, 2, 3), np.float32)

    for machine in ("one", "two"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))
        cache = FeatureCache(f"s3://{BUCKET}/cache")
        assert cache.get("a key", compute).shape == (1, 2, 3)
        assert "a key" in cache
    assert len(made) == 1
