"""Feature kinds: what turns a sound or a drawing into the picture that a model sees."""

from earmark.features.base import FEATURES, Features, InkFeatures, SoundFeatures
from earmark.features.window import Window

__all__ = ["FEATURES", "Features", "InkFeatures", "SoundFeatures", "Window"]
