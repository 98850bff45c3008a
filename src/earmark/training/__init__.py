"""Learning from examples: recipes, augmentations, the loop, runs."""

from earmark.training.augment import AUGMENTATIONS, Augmentation, BatchAugmentation, ContentAugmentation
from earmark.training.augment_ink import InkOnly, InkScan, InkWarp
from earmark.training.augment_sound import (
    Equalize,
    Excerpt,
    Gain,
    LimitBand,
    Mp3,
    Noise,
    PitchShift,
    Room,
    SynthesizeNote,
)
from earmark.training.recipe import Recipe, Training, load_recipe, shipped_recipes
from earmark.training.run import Run, train

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "BatchAugmentation",
    "ContentAugmentation",
    "Equalize",
    "Excerpt",
    "Gain",
    "InkOnly",
    "InkScan",
    "InkWarp",
    "LimitBand",
    "Mp3",
    "Noise",
    "PitchShift",
    "Recipe",
    "Room",
    "Run",
    "SynthesizeNote",
    "Training",
    "load_recipe",
    "shipped_recipes",
    "train",
]
