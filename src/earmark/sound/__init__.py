"""Decoding, resampling and streaming of sound files of any kind and length."""

from earmark.sound.decoder import SOUND_EXTENSIONS, SoundSource
from earmark.sound.reading import SoundInfo, info, read, resample, resampled_blocks

__all__ = ["SOUND_EXTENSIONS", "SoundInfo", "SoundSource", "info", "read", "resample", "resampled_blocks"]
