"""The path of a real device: a virtual microphone of PulseAudio that hears what is played; and a made-up PortAudio."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.errors import DataError, UsageError
from earmark.live import Microphone, devices, microphone
from tiny import save_tiny, tiny_card, tone

RATE_HZ = 44_100
ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
ALSA_CONFIG = Path("/usr/share/alsa/alsa.conf")


class Stream:
    """A device that delivers the blocks it was told, then nothing."""

    def __init__(self, blocks, overflow, *, callback, **_):
        self.blocks, self.callback, self.active = blocks, callback, True
        self.status = types.SimpleNamespace(input_overflow=overflow)

    def __enter__(self):
        for block in self.blocks:
            self.callback(block, len(block), None, self.status)

    def __exit__(self, *_):
        self.active = False


class FakePortAudio(types.ModuleType):
    class PortAudioError(Exception):
        pass

    def __init__(self, *, inputs=1, blocks=(), overflow=False, mono=True):
        super().__init__("sounddevice")
        self.inputs, self.blocks, self.overflow, self.mono = inputs, blocks, overflow, mono

    def query_devices(self, device=None, kind=None):
        found = {"index": 3, "name": "fake", "max_input_channels": 2, "default_samplerate": 48000.0}
        if kind is None:
            return [found] * self.inputs
        if device not in {None, 3, "fake"}:
            raise ValueError(f"No input device matching {device!r}")
        return found

    def check_input_settings(self, *, channels, samplerate, **_):
        if samplerate != 48000 or (channels == 1 and not self.mono):
            raise self.PortAudioError("Invalid sample rate")

    def InputStream(self, **options):  # noqa: N802
        return Stream(self.blocks, self.overflow, **options)


@pytest.fixture
def portaudio(monkeypatch):
    def use(**options):
        fake = FakePortAudio(**options)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    return use


def test_blocks_are_mixed_and_joined(portaudio, monkeypatch):
    monkeypatch.setattr(microphone, "_LOST_AFTER_S", 0.0)
    portaudio(blocks=[np.float32([[0.2, 0.4], [0, 1]]), np.float32([[1, 1]])], mono=False)
    source = Microphone("fake")
    stream = source.chunks()
    assert next(stream).samples == pytest.approx([0.3, 0.5, 1.0])
    assert (source.name, source.sample_rate_hz, source.n_dropped) == ("fake", 48000, 0)
    with pytest.raises(DataError, match=r"fake: delivers no sound any more, after \d\.\d s; plug it in again"):
        next(stream)


def test_dropped_buffers_are_counted(portaudio):
    blocks = [np.zeros((4, 1), np.float32)] * 50
    portaudio(blocks=blocks, overflow=True)
    source = Microphone()
    # 40 of 50 fit, and each was late as PortAudio itself says.
    assert len(next(source.chunks()).samples) == 160
    assert source.n_dropped == 60


def test_what_cannot_be_recorded_is_refused(portaudio):
    portaudio(inputs=0)
    with pytest.raises(DataError, match="there is no microphone; plug one in"):
        Microphone()
    assert devices() == ()
    portaudio()
    with pytest.raises(UsageError, match=r"'elsewhere' cannot be used .* the inputs are 3: fake"):
        Microphone("elsewhere")
    with pytest.raises(UsageError, match=r"cannot record at 96000 Hz .* prefers 48000 Hz"):
        Microphone(3, sample_rate_hz=96_000)
    assert devices() == ("3: fake (2 channels, 48000 Hz)",)


@pytest.fixture
def virtual_microphone(tmp_path):
    """Start a PulseAudio of our own whose default source hears a null sink; give its environment."""
    missing = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    plugin = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    if missing or not plugin or not ALSA_CONFIG.is_file():
        pytest.skip("needs Debian's pulseaudio, pulseaudio-utils, libasound2-plugins and libportaudio2")
    config = tmp_path / "asoundrc"
    config.write_text(f"<{ALSA_CONFIG}>\n{ASOUNDRC}")
    socket = tmp_path / "native"
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PULSE_RUNTIME_PATH": str(tmp_path / "pulse"),
        "PULSE_SERVER": f"unix:{socket}",
        "ALSA_CONFIG_PATH": str(config),
    }
    modules = [
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        f"module-null-sink sink_name=room rate={RATE_HZ}",
    ]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit=yes"]
    server_environment = {key: value for key, value in environment.items() if key != "PULSE_SERVER"}
    with subprocess.Popen(
        [*command, *(part for module in modules for part in ("-L", module))],
        env=server_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(environment)
            subprocess.run(["pactl", "set-default-source", "room.monitor"], env=environment, check=True)
            yield environment
        finally:
            server.terminate()


def _wait_for(environment):
    for _ in range(300):
        asked = subprocess.run(["pactl", "info"], env=environment, check=False, capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PulseAudio did not start")


def test_a_virtual_microphone_hears_what_is_played(virtual_microphone, tmp_path, request):
    song = Path(request.config.rootpath).parent / "shared" / "data" / "music" / "Kevin_MacLeod_-_Vibe_Ace.ogg"
    if song.is_file():
        with soundfile.SoundFile(song) as file:
            file.seek(5 * file.samplerate)
            played, rate_hz = file.read(4 * file.samplerate, dtype="float32", always_2d=True)[:, 0], file.samplerate
    else:
        tones = np.concatenate([tone(hz=hz, rate_hz=RATE_HZ) for hz in (440, 300, 500, 800)])
        # With some noise, so that every place in it is unlike the others.
        played = (tones + 0.05 * np.random.default_rng(0).standard_normal(len(tones))).astype(np.float32)
        rate_hz = RATE_HZ
    # Again and again, because a busy machine may need a while until it listens.
    soundfile.write(tmp_path / "played.wav", np.tile(played, 20), rate_hz)
    model, saved = save_tiny(tmp_path / "tiny.onnx", tiny_card()), tmp_path / "heard.wav"
    with subprocess.Popen(["paplay", "--device=room", tmp_path / "played.wav"], env=virtual_microphone) as player:
        command = [
            sys.executable,
            "-m",
            "earmark.cli",
            "listen",
            "--model",
            model,
            "--seconds",
            "3",
            "--rate",
            str(rate_hz),
        ]
        done = subprocess.run(
            [*command, "--save", saved, "--json"],
            env=virtual_microphone,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        player.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 4
    heard, heard_rate_hz = soundfile.read(saved, dtype="float32")
    assert (len(heard), heard_rate_hz) == (3 * rate_hz, rate_hz)
    # A busy machine loses buffers on the way, between PulseAudio's own threads; what lies between is what was
    # played, in its order and at its speed; there is some of it even where ten others want the processor.
    size = rate_hz // 20
    pieces = heard[rate_hz // 2 :][: 50 * size].reshape(50, size)
    places, likenesses = map(np.array, zip(*(found(piece, np.tile(played, 2)) for piece in pieces), strict=True))
    intact = likenesses > 0.99
    follow = intact[1:] & intact[:-1]
    assert intact.mean() > 0.7
    # Where PulseAudio changes the rate, a piece may begin a sample early or late.
    assert np.mean(np.abs((np.diff(places) % len(played))[follow] - size) <= 1) > 0.9


def found(piece, played) -> tuple[int, float]:
    """Return where in what was played a recording fits best, and its correlation with what is there."""
    n_fft = 1 << (len(played) + len(piece)).bit_length()
    product = np.fft.irfft(np.fft.rfft(played, n_fft) * np.conj(np.fft.rfft(piece, n_fft)))
    powers = np.cumsum(np.square(played, dtype=np.float64))
    power = powers[len(piece) :] - powers[: -len(piece)]
    # Elsewhere it may be louder, which does not count.
    place = int(np.argmax(product[1 : 1 + len(power)] / np.sqrt(power + 1e-9))) + 1
    return place, float(np.corrcoef(piece, played[place : place + len(piece)])[0, 1])
