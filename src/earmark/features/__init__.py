"""Features: kinds of spectrograms, the raster of drawings, the feature table, windows, and their cache."""

from earmark.features.base import FEATURES, Features, InkFeatures, SoundFeatures, WindowFeatures
from earmark.features.cache import FeatureCache, open_cache
from earmark.features.constant_q import ConstantQ
from earmark.features.fusion import FusedFeatures, PictureFusion
from earmark.features.ink_raster import InkRaster
from earmark.features.linear import LinearSpectrogram
from earmark.features.log_mel import LogMel
from earmark.features.numbers import NumberFeatures
from earmark.features.picture import PictureFeatures
from earmark.features.table.describe import TableFeatures
from earmark.features.window import Window

__all__ = [
    "FEATURES",
    "ConstantQ",
    "FeatureCache",
    "Features",
    "FusedFeatures",
    "InkFeatures",
    "InkRaster",
    "LinearSpectrogram",
    "LogMel",
    "NumberFeatures",
    "PictureFeatures",
    "PictureFusion",
    "SoundFeatures",
    "TableFeatures",
    "Window",
    "WindowFeatures",
    "open_cache",
]
