"""Damaged inputs are answered or refused by an Earmark error, whatever the library that reads them raises."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from earmark.data import read_manifest
from earmark.errors import DataError, ModelError, UnreadableError
from earmark.evaluation import read_outcome
from earmark.ink import parse_json_strokes
from earmark.recognizer.file import card_of
from earmark.sound import read

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


def with_bad_header(path):
    """Write an .npz whose array has a header that is no Python: numpy's tokenizer raises a `TokenError`."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, \n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", array)
    return path


def test_a_damaged_array_is_refused(tmp_path):
    path = with_bad_header(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as an \.npz of plain arrays"):
        read_manifest(path)
    with pytest.raises(DataError, match=r"a\.npz: not the outcome of an evaluation"):
        read_outcome(path)


class NotUtf8:
    """A session over a damaged file, whose metadata cannot be decoded."""

    def get_modelmeta(self):
        return b"\xff".decode()


def test_a_recognizer_with_text_that_is_no_utf8_is_refused():
    with pytest.raises(ModelError, match=r"^a\.onnx: not a readable ONNX model"):
        card_of(NotUtf8(), where="a.onnx")


def test_json_that_is_nested_too_deeply_is_refused():
    with pytest.raises(DataError, match="not valid JSON"):
        parse_json_strokes("[" * 100_000, where="a.json")


def test_a_wav_that_ends_in_its_format_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00" + bytes(12))
    with pytest.raises(UnreadableError, match=r"a\.wav"):
        read(path)


def test_zeros_behind_a_head_are_refused_at_once():
    head = b"caff\x00\x01\x00\x00"
    with pytest.raises(UnreadableError):
        read(head)  # imports
    began_s = time.process_time()
    with pytest.raises(UnreadableError):
        read(head + bytes(16 << 20))
    assert time.process_time() - began_s < 0.6  # chunk by chunk they take a second


def _aac(rate_hz, layout):
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=rate_hz, layout=layout)
        n_channels = len(stream.layout.channels)
        frame = av.AudioFrame.from_ndarray(np.zeros((n_channels, 4096), np.float32), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def test_a_stream_that_changes_its_rate_and_channels_is_refused():
    with pytest.raises(UnreadableError, match="cannot be decoded to the end"):
        read(_aac(44_100, "stereo") + _aac(22_050, "mono"))


@pytest.mark.slow
def test_a_slice_of_the_fuzzing(tmp_path):
    seed = int(np.random.default_rng(17).integers(1000))
    done = subprocess.run(
        [sys.executable, FUZZ, "--n", "66", "--seed", str(seed)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "66 cases" in done.stdout
