"""The 57 numbers: equal to librosa, to the published table, and defined for every sound."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from earmark.errors import DataError
from earmark.features.table import COLUMNS, FEATURE_COLUMNS, LONGEST_S, SAMPLE_RATE_HZ, chroma, describe
from earmark.features.table.median import running_median

RNG = np.random.default_rng(0)
T = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
SIGNALS = {
    "chord": sum(0.2 * np.sin(2 * np.pi * hz * T) * np.exp(-6 * (T % 0.5)) for hz in (264.2, 332.9, 395.9)),
    "noise": 0.1 * RNG.standard_normal(len(T)) * (1 + np.sin(4 * np.pi * T)),
    "chirp and offset": 0.05 + 0.3 * np.sin(2 * np.pi * (100 + 400 * T) * T) + 0.01 * RNG.standard_normal(len(T)),
    "late": np.where(T < 1.5, 0, 0.3) * RNG.standard_normal(len(T)),
    "very quiet": 1e-5 * RNG.standard_normal(len(T)),
    "five frames": 0.1 * RNG.standard_normal(2200),
}


def librosa_recipe(samples):
    """Return the 57 numbers as the published tables were made; means in double precision."""
    import librosa

    sound = {"y": samples, "sr": SAMPLE_RATE_HZ}
    rows = [
        librosa.feature.chroma_stft(**sound),
        librosa.feature.rms(y=samples),
        librosa.feature.spectral_centroid(**sound),
        librosa.feature.spectral_bandwidth(**sound),
        librosa.feature.spectral_rolloff(**sound),
        librosa.feature.zero_crossing_rate(samples),
        *librosa.effects.hpss(samples),
    ]
    tempo, _ = librosa.beat.beat_track(**sound)
    moments = [[moment(row, dtype=np.float64) for moment in (np.mean, np.var)] for row in rows]
    mfccs = librosa.feature.mfcc(**sound, n_mfcc=20)
    moments += [
        [np.squeeze(tempo)],
        *([moment(row, dtype=np.float64) for moment in (np.mean, np.var)] for row in mfccs),
    ]
    return np.concatenate(moments)


def assert_equal_columns(values, expected, samples, *, tolerance=1e-4):
    # A mean near zero is a sum of what cancels: its error is that of the summands, and librosa's are single precision.
    loudest = float(np.abs(samples).max())
    absolute = {"harmony_mean": 1e-9 * loudest, "perceptr_mean": 1e-9 * loudest}
    absolute |= {f"mfcc{number}_mean": 1e-6 for number in range(1, 21)}
    for column, value, reference in zip(FEATURE_COLUMNS, values, expected, strict=True):
        assert value == pytest.approx(reference, rel=tolerance, abs=absolute.get(column, 0)), column
    tempo = FEATURE_COLUMNS.index("tempo")
    assert values[tempo] == expected[tempo]


@pytest.mark.parametrize("name", SIGNALS)
def test_equals_librosa_on_made_sounds(name):
    samples = SIGNALS[name].astype(np.float32)
    assert_equal_columns(describe(samples), librosa_recipe(samples), samples)


@pytest.mark.parametrize("track", ["blues/blues.00000", "metal/metal.00003"])
def test_equals_librosa_on_music(shared_data, track):
    samples, _ = soundfile.read(shared_data / f"gtzan/audio/{track}.flac", dtype="float32", frames=10 * SAMPLE_RATE_HZ)
    assert_equal_columns(describe(samples), librosa_recipe(samples), samples)


@pytest.mark.parametrize("track", ["blues.00001", "classical.00002", "hiphop.00003"])
def test_mirrored_ends_reproduce_the_published_table(shared_data, track):
    published = (shared_data / "gtzan/features_30_sec.csv").read_text(encoding="utf-8").splitlines()
    assert tuple(published[0].split(",")) == COLUMNS
    (row,) = (line.split(",") for line in published if line.startswith(f"{track}.wav"))
    samples, _ = soundfile.read(shared_data / f"gtzan/audio/{track.split('.')[0]}/{track}.flac", dtype="float32")
    assert int(row[1]) == len(samples)
    # The published means of the waveforms are sums in single precision.
    assert_equal_columns(describe(samples, padding="mirror"), np.array(row[2:-1], float), samples, tolerance=1e-3)


def test_the_columns_are_the_published_ones():
    assert len(FEATURE_COLUMNS) == 57
    assert COLUMNS[:4] == ("filename", "length", "chroma_stft_mean", "chroma_stft_var")
    assert COLUMNS[14:20] == ("harmony_mean", "harmony_var", "perceptr_mean", "perceptr_var", "tempo", "mfcc1_mean")
    assert COLUMNS[-2:] == ("mfcc20_var", "label")


# Not two rows: there scipy 1.17 reads what is not its own.
@pytest.mark.parametrize("shape", [(1, 3), (3, 70), (15, 1), (16, 64), (31, 65), (100, 33)])
def test_running_median_equals_scipy(shape):
    values = RNG.random(shape, dtype=np.float32)
    values[RNG.random(shape) < 0.3] = 0
    along, across = np.empty_like(values), np.empty_like(values)
    running_median(values, along)
    running_median(values.T, across.T)
    assert np.array_equal(along, ndimage.median_filter(values, size=(31, 1), mode="reflect"))
    assert np.array_equal(across, ndimage.median_filter(values, size=(1, 31), mode="reflect"))


@pytest.mark.parametrize("cents", [-45, -10, 0, 30])
def test_tuning_is_found(cents):
    hz = 440 * 2 ** (cents / 1200)
    samples = sum(np.sin(2 * np.pi * k * hz * T) / k for k in (1, 2, 4))
    frames = np.lib.stride_tricks.sliding_window_view(samples, 2048)[::512] * np.hanning(2048)
    magnitude = np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32)
    assert chroma.estimate_tuning(magnitude, sample_rate_hz=SAMPLE_RATE_HZ) == pytest.approx(cents / 100, abs=0.05)


def test_silence_is_defined():
    values = dict(zip(FEATURE_COLUMNS, describe(np.zeros(SAMPLE_RATE_HZ, np.float32)), strict=True))
    assert values.pop("mfcc1_mean") == pytest.approx(-100 * np.sqrt(128))
    assert max(map(abs, values.values())) < 1e-20


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 6000), level=st.sampled_from([1e-12, 1e-4, 1.0, 1e4]), seed=st.integers(0, 99))
def test_every_sound_has_finite_numbers(n, level, seed):
    noise = np.random.default_rng(seed).standard_normal(n) * level
    values = describe(noise.astype(np.float32))
    assert np.isfinite(values).all()
    spreads = [value for name, value in zip(FEATURE_COLUMNS, values, strict=True) if name.endswith("_var")]
    assert min(spreads) >= 0


def test_twice_as_loud_changes_only_what_measures_loudness():
    samples = SIGNALS["chord"].astype(np.float32)
    soft, loud = (dict(zip(FEATURE_COLUMNS, describe(gain * samples), strict=True)) for gain in (1, 2))
    for name in ("chroma_stft_mean", "spectral_centroid_var", "rolloff_mean", "tempo", "mfcc5_mean"):
        assert loud[name] == pytest.approx(soft[name], rel=1e-6)
    assert loud["rms_mean"] == pytest.approx(2 * soft["rms_mean"])
    assert loud["harmony_var"] == pytest.approx(4 * soft["harmony_var"])


@pytest.mark.parametrize(
    "samples",
    [np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan]), np.array([np.inf])],
    ids=["none", "stereo", "nan", "infinite"],
)
def test_what_is_no_sound_is_refused(samples):
    with pytest.raises(DataError, match="give at least one mono sample"):
        describe(samples.astype(np.float32))


def test_a_sound_that_would_fill_the_memory_is_refused():
    samples = np.broadcast_to(np.float32(0.1), LONGEST_S * SAMPLE_RATE_HZ + 1)
    with pytest.raises(DataError, match="cut it into segments"):
        describe(samples)
