"""Reading sounds: every container, rate and channel count, and everything that is not a sound."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import sound
from earmark.errors import DataError, EarmarkError, MissingExtraError, UnreadableError
from earmark.features.window import sound_windows
from earmark.types import Sound

RATE_HZ = 44_100


def tone(duration_s: float = 1.0, *, hz: float = 440.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype(np.float32)


def hiss(duration_s: float = 1.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(duration_s * RATE_HZ))).astype(np.float32)


def encoded(samples: np.ndarray, kind: str, rate_hz: int = RATE_HZ, subtype: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate_hz, format=kind, subtype=subtype)
    return stream.getvalue()


def encoded_by_av(samples: np.ndarray, container: str, codec: str, rate_hz: int) -> bytes:
    av = pytest.importorskip("av")
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate_hz)
        track.layout = "stereo"
        for begin in range(0, len(samples), 4096):
            block = np.ascontiguousarray(np.tile(samples[begin : begin + 4096], (2, 1)))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = rate_hz, begin
            output.mux(track.encode(frame))
        output.mux(track.encode(None))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("kind", "error"),
    [("WAV", 4e-5), ("AU", 4e-5), ("FLAC", 4e-5), ("AIFF", 4e-5), ("OGG", 0.03), ("MP3", 0.03)],
)
def test_every_container_gives_the_samples_that_were_written(kind, error):
    written = tone()
    read = sound.read(encoded(written, kind))
    assert read.sample_rate_hz == RATE_HZ
    assert read.samples.dtype == np.float32
    assert len(read.samples) == len(written)
    inner = slice(2000, -2000)  # lossy codecs fade at the edges
    assert np.abs(read.samples[inner] - written[inner]).max() < error


@pytest.mark.parametrize(("container", "codec"), [("ipod", "aac"), ("webm", "libopus"), ("adts", "aac")])
def test_av_reads_what_libsndfile_does_not(container, codec):
    data = encoded_by_av(tone(2.0, rate_hz=48_000), container, codec, 48_000)
    read = sound.read(data, sample_rate_hz=22_050)
    assert read.duration_s == pytest.approx(2.0, abs=0.05)
    spectrum = np.abs(np.fft.rfft(read.samples[:22_050]))
    assert np.argmax(spectrum) == 440
    details = sound.info(data)
    assert (details.sample_rate_hz, details.n_channels) == (48_000, 2)
    assert details.duration_s == pytest.approx(2.0, abs=0.05)
    span = sound.read(data, start_s=0.5, duration_s=0.25)
    np.testing.assert_array_equal(span.samples, sound.read(data).samples[24_000:36_000])


def headerless_mp3(mode: str) -> bytes:
    """Return 10 s, loud then faint so that a varying bit rate varies, without the frame that states the length."""
    loudness = np.where(np.arange(10 * RATE_HZ) < 3 * RATE_HZ, 5, 0.005)
    stream = io.BytesIO()
    soundfile.write(
        stream, np.tile(hiss(1), 10) * loudness, RATE_HZ, format="MP3", bitrate_mode=mode, compression_level=0.3
    )
    data = stream.getvalue()
    tag = next(data.index(word) for word in (b"Xing", b"Info") if word in data)
    return data[data.index(data[:2], tag) :]


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_an_mp3_that_does_not_state_its_length_is_read_whole(mode):
    pytest.importorskip("av")
    data = headerless_mp3(mode)
    assert sound.read(data).duration_s == pytest.approx(10, abs=0.1)
    assert sound.info(data).duration_s == pytest.approx(10, abs=0.1)


def test_without_av_such_an_mp3_is_refused_not_cut(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "earmark.sound.av_decoder", raising=False)
    assert sound.read(headerless_mp3("CONSTANT")).duration_s == pytest.approx(10, abs=0.1)
    with pytest.raises(MissingExtraError, match="varying bit rate that does not say its length"):
        sound.read(headerless_mp3("VARIABLE"))


def test_m4a_without_av_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "earmark.sound.av_decoder", raising=False)
    (tmp_path / "song.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(MissingExtraError, match=r"song\.m4a.*pip install 'earmark\[av\]'"):
        sound.read(tmp_path / "song.m4a")
    (tmp_path / "text.wav").write_text("not a sound" * 20)
    with pytest.raises(UnreadableError, match=r"text\.wav: is not a sound"):
        sound.read(tmp_path / "text.wav")


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_any_rate_and_channel_count_becomes_the_same_tone(rate_hz, n_channels):
    stereo = np.tile(tone(1.0, rate_hz=rate_hz)[:, None], (1, n_channels))
    read = sound.read(encoded(stereo, "WAV", rate_hz), sample_rate_hz=22_050)
    assert len(read.samples) == 22_050
    inner = slice(1000, -1000)
    assert np.abs(read.samples[inner] - tone(1.0, rate_hz=22_050)[inner]).max() < 1e-3


def test_channels_are_mixed_to_their_mean():
    left, right = tone(hz=300), tone(hz=700)
    read = sound.read(encoded(np.stack((left, right), axis=1), "WAV", subtype="FLOAT"))
    np.testing.assert_allclose(read.samples, (left + right) / 2, atol=1e-7)


def test_float_samples_beyond_one_are_kept():
    loud = 40 * tone()
    np.testing.assert_array_equal(sound.read(encoded(loud, "WAV", subtype="FLOAT")).samples, loud)


def test_silence_and_one_sample_are_sounds():
    assert not sound.read(encoded(np.zeros(1000, np.float32), "WAV")).samples.any()
    one = encoded(np.full(1, 0.5, np.float32), "WAV", 192_000)
    assert len(sound.read(one).samples) == 1
    assert len(sound.read(one, sample_rate_hz=8_000).samples) == 1
    assert [len(w) for _, w in sound_windows(one, length_s=1, hop_s=1, sample_rate_hz=8_000)] == [1]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(("start_s", "duration_s"), [(0.01, 0.5), (1.3, 0.7), (2.9, None), (0.0, 100.0)])
def test_a_span_equals_that_part_of_the_whole(kind, start_s, duration_s):
    data = encoded(np.stack((hiss(3), tone(3)), axis=1), kind)
    whole = sound.read(data).samples[round(start_s * RATE_HZ) :]
    expected = whole if duration_s is None else whole[: round(duration_s * RATE_HZ)]
    np.testing.assert_array_equal(sound.read(data, start_s=start_s, duration_s=duration_s).samples, expected)


def test_paths_bytes_files_and_pipes_give_the_same(tmp_path):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    data = encoded(tone(), "FLAC")
    path = tmp_path / "звук 音.flac"
    path.write_bytes(data)
    expected = sound.read(data).samples
    with path.open("rb") as stream:
        for source in (path, str(path), stream, Pipe(data)):
            np.testing.assert_array_equal(sound.read(source).samples, expected)


def test_info_reads_the_header(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((22_050, 2)), RATE_HZ)
    assert sound.info(tmp_path / "a.wav") == sound.SoundInfo(0.5, RATE_HZ, 2, "WAV")


def test_resampling_equals_an_independent_polyphase_filter():
    from scipy.signal import resample_poly

    rng = np.random.default_rng(0)
    # Below half of the lower Nyquist frequency, where no filter of either kind has begun to fall.
    smooth = np.convolve(rng.standard_normal(RATE_HZ), np.hanning(41) / np.hanning(41).sum(), "same")
    read = sound.resample(Sound(smooth.astype(np.float32), RATE_HZ), 22_050).samples
    expected = resample_poly(smooth, 1, 2)
    assert np.abs(read - expected)[500:-500].max() < 2e-3 * np.abs(expected).max()


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", r"is empty \(0 bytes\)"),
            (b"hello, I am a text\n" * 9, "is not a sound that can be decoded"),
            (encoded(tone(), "WAV")[:30_000], r"is truncated \(0\.66 s"),
            (encoded(tone(), "AU")[:30_000], r"is truncated \(0\.66 s"),
            (encoded(tone(), "AIFF")[:30_000], r"is truncated \(0\.66 s"),
            (encoded(hiss(), "FLAC")[:20_000], "is damaged or truncated"),
            (encoded(hiss(3), "OGG")[:20_000], r"is truncated \(it ends inside a page\)"),
            (encoded(np.zeros(0, np.float32), "WAV"), "holds no samples"),
            (encoded(tone(), "WAV", 100), "its header says 100 samples a second"),
        ],
        ids=["empty", "text", "wav", "au", "aiff", "flac", "ogg", "no-samples", "rate"],
    )
    def test_of_content(self, tmp_path, content, sentence):
        path = tmp_path / "bad.wav"
        path.write_bytes(content)
        with pytest.raises(UnreadableError, match=sentence) as caught:
            sound.read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        with pytest.raises(UnreadableError, match=sentence):
            list(sound_windows(path, length_s=0.1, hop_s=0.1, sample_rate_hz=16_000))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_of_numbers_that_are_not_finite(self, value):
        samples = tone()
        samples[22_050] = value
        with pytest.raises(UnreadableError, match=r"NaN or infinite, the first at 0\.500 s"):
            sound.read(encoded(samples, "WAV", subtype="FLOAT"))

    def test_of_missing_files_and_folders(self, tmp_path):
        with pytest.raises(UnreadableError, match="no such file"):
            sound.read(tmp_path / "none.wav")
        with pytest.raises(UnreadableError, match="is a folder"):
            sound.read(tmp_path)
        with pytest.raises(UnreadableError, match="is a device or a pipe"):
            sound.read("/dev/zero")
        (tmp_path / "a.raw").write_bytes(bytes(100))
        with pytest.raises(UnreadableError, match="says neither its rate nor its channels"):
            sound.read(tmp_path / "a.raw")

    @pytest.mark.parametrize(
        ("start_s", "duration_s", "sentence"),
        [
            (-1, None, "cannot start at -1"),
            (float("nan"), None, "cannot start at nan"),
            (0, 0, "cannot last 0 s"),
            (7, None, r"starts at 7 s, but the sound ends at 1\.00 s"),
        ],
    )
    def test_of_spans(self, start_s, duration_s, sentence):
        with pytest.raises(DataError, match=sentence):
            sound.read(encoded(tone(), "WAV"), start_s=start_s, duration_s=duration_s)

    def test_a_streamed_wav_that_does_not_know_its_length_is_whole(self):
        data = bytearray(encoded(tone(), "WAV"))
        at = data.index(b"data") + 4
        data[4:8] = data[at : at + 4] = b"\xff\xff\xff\xff"
        assert len(sound.read(bytes(data)).samples) == RATE_HZ

    def test_mp3_shorter_than_its_header_says(self, tmp_path):
        # In a process of its own: the decoder below libsndfile writes a warning to the terminal.
        data = encoded(hiss(3), "MP3")
        (tmp_path / "short.mp3").write_bytes(data[: len(data) // 2])
        program = "import sys; from earmark import sound; sound.read(sys.argv[1])"
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "short.mp3"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "UnreadableError" in done.stderr
        assert "is truncated (1." in done.stderr

    @pytest.mark.parametrize("kind", ["WAV", "AU", "FLAC", "OGG"])
    def test_damage_anywhere_is_a_sound_or_an_error_of_ours(self, kind):
        good = encoded(tone(0.3), kind)
        dice = random.Random(kind)  # noqa: S311
        outcomes = {"read": 0, "refused": 0}
        for _ in range(60):
            bad = bytearray(good[: dice.randrange(1, len(good) + 1)])
            for _ in range(dice.choice((0, 1, 20))):
                bad[dice.randrange(len(bad))] = dice.randrange(256)
            try:
                read = sound.read(bytes(bad), sample_rate_hz=16_000)
            except EarmarkError:
                outcomes["refused"] += 1
                continue
            assert len(read.samples)
            assert np.isfinite(read.samples).all()
            outcomes["read"] += 1
        assert outcomes["refused"] > 10


def test_importing_is_light():
    program = (
        "import sys, earmark.sound; "
        "print(sorted({'torch', 'scipy', 'pandas', 'av', 'matplotlib', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_real_recordings_decode_whole(shared_data):
    for path in sorted((shared_data / "music").glob("*.ogg")):
        read, details = sound.read(path), sound.info(path)
        assert read.duration_s == pytest.approx(details.duration_s)
    au, flac = (
        sound.read(Path(shared_data, "gtzan", *parts)).samples
        for parts in (("blues.00000.au",), ("audio", "blues", "blues.00000.flac"))
    )
    n = min(len(au), len(flac))
    np.testing.assert_array_equal(au[:n], flac[:n])


def test_flac_from_a_pipe_does_not_say_its_length_and_is_read_all_the_same(tmp_path):
    samples = (0.3 * np.sin(np.arange(50_000) / 20)).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", samples, 22050, "PCM_16")
    data = bytearray((tmp_path / "a.flac").read_bytes())
    # The 36 bits before the checksum of STREAMINFO count the samples.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    (tmp_path / "b.flac").write_bytes(data)
    np.testing.assert_array_equal(sound.read(tmp_path / "b.flac").samples, sound.read(tmp_path / "a.flac").samples)
    assert sound.info(tmp_path / "b.flac").duration_s == sound.info(tmp_path / "a.flac").duration_s
