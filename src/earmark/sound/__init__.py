"""Decoding, resampling and streaming of sound files of any kind and length."""

from earmark.sound.blocks import resampled_blocks
from earmark.sound.reading import SoundInfo, info, read, resample
from earmark.sound.source import SOUND_EXTENSIONS, SoundSource

__all__ = ["SOUND_EXTENSIONS", "SoundInfo", "SoundSource", "info", "read", "resample", "resampled_blocks"]
