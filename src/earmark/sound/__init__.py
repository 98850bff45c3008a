"""Decoding, resampling and cutting of sound files of any kind and length."""

from earmark.sound.reading import SoundInfo, info, read, resample
from earmark.sound.source import SOUND_EXTENSIONS, SoundSource
from earmark.sound.windows import windows

__all__ = ["SOUND_EXTENSIONS", "SoundInfo", "SoundSource", "info", "read", "resample", "windows"]
