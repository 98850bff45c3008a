"""Sound files whose header lies: read all the same where that is certain, else refused by a sentence with the cause."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile as sf

from earmark import sound
from earmark.errors import UnreadableError

RATE_HZ = 22_050
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ // 4) / RATE_HZ)).astype(np.float32)
CHUNK = b"LIST" + struct.pack("<I", 12) + b"INFOICRD" + bytes(4)


def encoded(kind: str, subtype: str = "PCM_16") -> bytearray:
    buffer = io.BytesIO()
    sf.write(buffer, TONE, RATE_HZ, format=kind, subtype=subtype)
    return bytearray(buffer.getvalue())


def wav(**fields: int) -> bytearray:
    """Return a wav with some fields of its header replaced."""
    data = encoded("WAV")
    layout = {"riff": (4, "<I"), "code": (20, "<H"), "channels": (22, "<H"), "rate": (24, "<I"), "bits": (34, "<H")}
    layout["data"] = (data.find(b"data") + 4, "<I")
    for name, value in fields.items():
        place, form = layout[name]
        struct.pack_into(form, data, place, value)
    return data


def assert_whole(content: bytes | bytearray, slack: int = 0) -> None:
    read = sound.read(bytes(content))
    assert read.sample_rate_hz == RATE_HZ
    assert len(TONE) <= len(read.samples) <= len(TONE) + slack
    assert np.allclose(read.samples[: len(TONE)], TONE, atol=1e-4)


@pytest.mark.parametrize("size", [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
@pytest.mark.parametrize("field", ["riff", "data"])
def test_a_length_that_was_left_open_is_the_rest_of_the_file(field, size):
    assert_whole(wav(**{field: size}))
    assert_whole(wav(riff=size, data=size))


def test_a_path_and_a_span_of_such_a_file(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(data=0))
    assert np.array_equal(sound.read(path).samples, sound.read(bytes(wav())).samples)
    assert len(sound.read(path, start_s=0.1, duration_s=0.05).samples) == round(0.05 * RATE_HZ)
    assert sound.info(path).duration_s == pytest.approx(0.25, abs=1e-3)


def test_an_empty_sound_before_other_chunks_stays_empty():
    buffer = io.BytesIO()
    sf.write(buffer, TONE[:0], RATE_HZ, format="WAV")
    with pytest.raises(UnreadableError, match="holds no samples"):
        sound.read(buffer.getvalue() + CHUNK)


@pytest.mark.parametrize("tail", [CHUNK, bytes(9000), b"TAG by an old program" * 3])
def test_what_follows_the_sound_is_no_sound(tail):
    assert_whole(wav() + tail)


def test_less_sound_than_there_is_is_named():
    with pytest.raises(UnreadableError, match="its header says that the sound has 3,000 bytes, but 11,024 are there"):
        sound.read(bytes(wav(data=3000)))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rate": 0}, "says 0 samples a second"),
        ({"rate": 3}, "says 3 samples a second; allowed are 1000 to"),
        ({"channels": 0}, "says 0 channels"),
        ({"channels": 2}, r"contradicts itself \(encoding 1, 2 channel\(s\) of 16 bits in 2 bytes\)"),
        ({"bits": 24}, "contradicts itself"),
        ({"bits": 0}, "contradicts itself"),
        ({"code": 3}, "contradicts itself"),
        ({"code": 7}, "contradicts itself"),
        ({"data": 1_000_000}, "is truncated"),
    ],
)
def test_a_contradiction_is_named(fields, sentence):
    with pytest.raises(UnreadableError, match=sentence):
        sound.read(bytes(wav(**fields)))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_extensible_with_an_odd_end_of_its_sub_format(subtype):
    data = encoded("WAVEX", subtype)
    place = data.find(bytes.fromhex("1000800000aa00389b71"))
    samples = sound.read(bytes(data)).samples
    data[place : place + 10] = b"0123456789"
    assert np.array_equal(sound.read(bytes(data)).samples, samples)


def test_lengths_left_open_in_other_containers():
    au = encoded("AU")
    au[8:12] = bytes(4)
    assert_whole(au)
    caf = encoded("CAF")
    place = caf.find(b"data") + 4
    caf[place : place + 8] = b"\xff" * 8
    assert_whole(caf)


def rf64(**sizes: int) -> bytearray:
    """Return an RF64 whose chunk ds64 states other sizes."""
    data = encoded("RF64")
    place = data.find(b"ds64") + 8
    for name, value in sizes.items():
        struct.pack_into("<Q", data, place + {"riff": 0, "data": 8, "samples": 16}[name], value)
    place = data.find(b"data") + 4
    data[place : place + 4] = b"\xff" * 4
    return data


def test_the_length_of_large_wavs():
    assert_whole(rf64())
    assert_whole(rf64(riff=0, data=0, samples=0))
    assert_whole(rf64(data=2**64 - 1))
    assert_whole(rf64() + CHUNK)
    n_bytes = 2 * len(TONE)
    with pytest.raises(UnreadableError, match="says that the sound has 3,000 bytes, but 11,024 are there"):
        sound.read(bytes(rf64(data=3000)))
    with pytest.raises(UnreadableError, match=f"is truncated \\({n_bytes:,} bytes of sound are missing"):
        sound.read(bytes(rf64(data=2 * n_bytes)))


def test_a_second_piece_of_sound_is_not_left_out():
    n_bytes = 2 * len(TONE)
    second = b"data" + struct.pack("<I", n_bytes) + bytes(n_bytes)
    with pytest.raises(UnreadableError, match="says that the sound has 11,024 bytes, but 22,056 are there"):
        sound.read(bytes(wav() + second))


def test_less_sound_than_there_is_in_other_containers():
    caf = encoded("CAF")
    struct.pack_into(">q", caf, caf.find(b"data") + 4, 3000)
    with pytest.raises(UnreadableError, match="says that the sound has 3,000 bytes"):
        sound.read(bytes(caf))


@pytest.mark.parametrize(("n_samples", "sentence"), [(2000, "has 2,000 samples, but "), (99_000, "damaged|truncated")])
def test_a_flac_of_another_length_than_its_frames(n_samples, sentence):
    flac = encoded("FLAC")
    packed = struct.unpack_from(">Q", flac, 18)[0]
    struct.pack_into(">Q", flac, 18, packed >> 36 << 36 | n_samples)
    with pytest.raises(UnreadableError, match=sentence):
        sound.read(bytes(flac))


def test_a_flac_of_another_rate_than_its_frames():
    flac = encoded("FLAC")
    packed = struct.unpack_from(">Q", flac, 18)[0]
    struct.pack_into(">Q", flac, 18, packed & (1 << 44) - 1 | 48_000 << 44)
    with pytest.raises(UnreadableError, match="its header says 48000 samples a second and its frames 22050"):
        sound.read(bytes(flac))


def mp3(*, n_frames: int | None = None) -> bytearray:
    """Return an MP3, perhaps with another number of frames in the header of its encoder."""
    buffer = io.BytesIO()
    sf.write(buffer, np.tile(TONE, 4), RATE_HZ, format="MP3")
    data = bytearray(buffer.getvalue())
    if n_frames is not None:
        struct.pack_into(">I", data, max(data.find(b"Xing"), data.find(b"Info")) + 8, n_frames)
    return data


def test_the_number_of_frames_of_an_mp3():
    whole = sound.read(bytes(mp3())).samples
    assert len(whole) == pytest.approx(4 * len(TONE), abs=10)
    opened = sound.read(bytes(mp3(n_frames=0))).samples
    assert len(whole) <= len(opened) <= len(whole) + 4000
    with pytest.raises(UnreadableError, match="says that the sound has 10 frames, but "):
        sound.read(bytes(mp3(n_frames=10)))
    with pytest.raises(UnreadableError, match=r"but .* are there; correct the header or save it again"):
        sound.read(bytes(mp3() + mp3()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html>\n<title>404 Not Found</title>", "text that begins '<!DOCTYPE html> <title>404"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "text that begins 'version https://git-lfs"),
        (b"\0\5\x16\7\0\2\0\0Mac OS X", "it holds what macOS notes about a file"),
        (b"PK\3\4" + bytes(60), "it is an archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "it is a picture"),
    ],
)
def test_files_of_other_kinds_say_what_they_are(content, words):
    with pytest.raises(UnreadableError, match=f"is not a sound that can be decoded \\(.*{words}"):
        sound.read(content)


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "CAF", "FLAC", "SVX"])
def test_a_tag_before_any_container(kind):
    assert_whole(b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + encoded(kind))


@pytest.mark.parametrize("kind", ["RF64", "W64", "SVX", "VOC", "AU", "AIFF"])
def test_half_of_a_file_is_truncated_in_every_container(kind):
    data = encoded(kind)
    with pytest.raises(UnreadableError, match="is truncated"):
        sound.read(bytes(data[: len(data) // 2]))


@pytest.mark.parametrize("name", ["a.mp3", "a.flac", "a.ogg", "a.aiff", "a.au", "a.snd", "a.m4a"])
@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC"])
def test_the_content_counts_not_the_name(tmp_path, kind, name):
    path = tmp_path / name
    path.write_bytes(encoded(kind))
    assert_whole(path.read_bytes())
    assert np.array_equal(sound.read(path).samples, sound.read(bytes(encoded(kind))).samples)


def test_an_au_of_anything_is_not_taken_for_telephone_sound(tmp_path):
    path = tmp_path / "a.au"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(UnreadableError, match="is not a sound that can be decoded"):
        sound.read(path)
