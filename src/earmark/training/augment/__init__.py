"""Augmentations: what may change in a sound or a drawing without changing its label, or together with it.

To add one: a configuration in a file here, registered under its name; the contract tests find it.
"""

from earmark.training.augment.base import AUGMENTATIONS, Augmentation, BatchAugmentation, ContentAugmentation, Drawn
from earmark.training.augment.batch import Affine, Elastic, Flip, FreqShift, Mixup, SpecAugment, Tilt, TimeShift
from earmark.training.augment.ink import InkOnly, InkSize, InkWarp
from earmark.training.augment.recording import Codec, Equalize, Gain, LimitBand, Microphone, Mp3, Noise, Room
from earmark.training.augment.scan import InkScan
from earmark.training.augment.sound import Excerpt, PitchShift, SynthesizeNote

__all__ = [
    "AUGMENTATIONS",
    "Affine",
    "Augmentation",
    "BatchAugmentation",
    "Codec",
    "ContentAugmentation",
    "Drawn",
    "Elastic",
    "Equalize",
    "Excerpt",
    "Flip",
    "FreqShift",
    "Gain",
    "InkOnly",
    "InkScan",
    "InkSize",
    "InkWarp",
    "LimitBand",
    "Microphone",
    "Mixup",
    "Mp3",
    "Noise",
    "PitchShift",
    "Room",
    "SpecAugment",
    "SynthesizeNote",
    "Tilt",
    "TimeShift",
]
