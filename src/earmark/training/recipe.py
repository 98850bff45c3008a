"""Recipes: everything that a training needs besides the data, in one TOML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from earmark.config import Config, Kind, apply_overrides, read_toml
from earmark.data import Split
from earmark.errors import ConfigError, UnknownNameError
from earmark.features import (
    FEATURES,
    Features,
    FusedFeatures,
    PictureFusion,
    SoundFeatures,
    Window,
    WindowFeatures,
)
from earmark.models.base import MODELS, ModelConfig
from earmark.models.transcription import TranscriptionConfig
from earmark.models.transfer import TransferConfig
from earmark.recognizer.card import Task
from earmark.training.adapt import AdaptConfig
from earmark.training.augment import AUGMENTATIONS, Augmentation, BatchAugmentation, ContentAugmentation
from earmark.training.mixtures.config import MixtureConfig
from earmark.training.rejection_config import RejectionConfig
from earmark.training.shipped import shipped_recipes
from earmark.training.training_config import Training
from earmark.types import Target


class SmallData(Config):
    """Which recipe takes over where there is little to learn from.

    Attributes
    ----------
    recipe
        The name of a shipped recipe.
    below
        Mean number of training examples a label below which it does; 0 for never.
    """

    recipe: str
    below: int = Field(ge=0)


class Recipe(Config):
    """A recipe: features, model, augmentation, split, training and rejection.

    Attributes
    ----------
    name, about
        What the recipe is called and what it makes, in one sentence.
    task
        Which details an answer has, such as the MIDI number of a note.
    target
        ``"multi-class"``: an example has one label. ``"multi-label"``: it has one or more, separated by semicolons in a
        manifest; each is a decision of its own, and its threshold is chosen on the validation part.
    features, model, augment
        Tables whose ``kind`` names an entry of the registries.
    window
        How sounds are cut; needed for sound, not allowed for ink.
    split
        How groups are held out.
    training
        The loop.
    mixtures
        Clips with any number of keys, rendered from single notes while the network is trained, and mixtures of each
        piano to score by; None: the examples as they are.
    rejection
        How to reject out-of-distribution and uncertain inputs; None: not at all.
    adapt
        How a finished recognizer is adapted to a few examples; such a recipe needs its file and fits nothing else.
    small_data
        The recipe that is used instead of this one where there are few examples; None: this one always.
    limits
        Sentences for the card about what the recognizer cannot do.
    """

    name: str
    about: str = ""
    task: Task = "label"
    target: Target = "multi-class"
    features: Annotated[SerializeAsAny[Features], Kind(FEATURES, where="[features]")]
    window: Window | None = None
    split: Split = Field(default_factory=Split)
    model: Annotated[SerializeAsAny[ModelConfig], Kind(MODELS, where="[model]")]
    augment: tuple[Annotated[SerializeAsAny[Augmentation], Kind(AUGMENTATIONS, where="[[augment]]")], ...] = ()
    training: Training = Field(default_factory=Training)
    mixtures: MixtureConfig | None = None
    rejection: RejectionConfig | None = None
    adapt: AdaptConfig | None = None
    small_data: SmallData | None = None
    limits: tuple[str, ...] = ()

    @property
    def is_frozen(self) -> bool:
        """Whether a window has one embedding all through a training, so that it can be computed once."""
        changing = any(isinstance(change, BatchAugmentation) for change in self.augment)
        frozen = self.training.freeze == "backbone" and not self.training.open_stages
        return isinstance(self.model, TransferConfig) and frozen and not changing

    @field_validator("augment", mode="before")
    @classmethod
    def _is_a_list(cls, values: Any) -> Any:
        if not isinstance(values, list | tuple):
            raise ConfigError("[[augment]] is a list of tables, each with a 'kind'; write [[augment]] above each")
        return values

    @model_validator(mode="after")
    def _refit_knows_its_length(self) -> Self:
        if self.training.refit != "none" and self.training.patience:
            raise ConfigError(f"recipe {self.name!r}: refit has no validation part to stop by; set patience = 0")
        return self

    @model_validator(mode="after")
    def _changed_contents_have_views(self) -> Self:
        changes = [change.kind for change in self.augment if isinstance(change, ContentAugmentation)]
        if changes and not self.training.views:
            raise ConfigError(
                f"recipe {self.name!r}: {changes[0]!r} changes examples before their features are made, in views "
                "beside the clean one, and training.views = 0 asks for none; set training.views = 4, say, or remove it"
            )
        return self

    @model_validator(mode="after")
    def _numbers_fit_their_window(self) -> Self:
        if not isinstance(self.features, WindowFeatures | PictureFusion):
            return self
        about = f"recipe {self.name!r}: {self.features.kind!r} features hold numbers about whole windows"
        if self.training.vary_length:
            raise ConfigError(f"{about}, which cannot be cut shorter; set training.vary_length = false")
        for change in self.augment:
            if isinstance(change, BatchAugmentation) and not change.keeps_numbers:
                raise ConfigError(
                    f"{about}, which would not fit the picture any more after {change.kind!r}; remove it, or change the"
                    " sound instead, by 'gain', 'noise' and the like"
                )
        return self

    @model_validator(mode="after")
    def _backbone_hears_what_it_knows(self) -> Self:
        wanted = self.model.wanted_features
        heard = self.features.picture if isinstance(self.features, FusedFeatures) else self.features
        if wanted is None or wanted == heard:
            return self
        if self.features.domain != wanted.domain:
            raise ConfigError(
                f"recipe {self.name!r}: its backbone was trained on {wanted.kind} spectrograms of sounds, and cannot"
                f" see {self.features.domain}s; choose a recipe whose network can, such as 'picture/resnet18'"
            )
        given, needed = heard.model_dump(), wanted.model_dump()
        different = [
            f"{key} = {value!r}, not {given.get(key)!r}" for key, value in needed.items() if given.get(key) != value
        ]
        raise ConfigError(
            f"recipe {self.name!r}: the backbone of the model was trained on other features; set in [features]"
            f" {', '.join(different)}"
        )

    @model_validator(mode="after")
    def _head_fitted_at_once_is_alone(self) -> Self:
        if not isinstance(self.model, TransferConfig) or not self.model.is_fitted_at_once:
            return self
        head = self.model.head
        if self.training.freeze != "backbone" or self.training.open_stages:
            raise ConfigError(
                f"recipe {self.name!r}: a {head} head is fitted to embeddings that stay as they are; set"
                " training.freeze = 'backbone' and training.open_stages = 0, or model.head = 'linear'"
            )
        for change in self.augment:
            if isinstance(change, BatchAugmentation):
                raise ConfigError(
                    f"recipe {self.name!r}: {change.kind!r} changes every batch anew, and a {head} head is fitted at"
                    " once; remove it, or set model.head = 'linear'"
                )
        return self

    @model_validator(mode="after")
    def _several_labels_are_decisions(self) -> Self:
        if self.target == "multi-class":
            return self
        impossible = {
            "training.class_weights = 'none'": self.training.class_weights != "none",
            "training.label_smoothing = 0": self.training.label_smoothing > 0,
            "model.head = 'linear'": isinstance(self.model, TransferConfig) and self.model.is_fitted_at_once,
        }
        wanted = [setting for setting, is_needed in impossible.items() if is_needed]
        if self.rejection is not None and self.mixtures is None:
            wanted.append("no [rejection], since none of the labels is an answer too")
        if wanted:
            raise ConfigError(f"recipe {self.name!r}: a multi-label recipe needs {', '.join(wanted)}")
        return self

    @model_validator(mode="after")
    def _mixtures_are_transcribed(self) -> Self:
        is_transcription = isinstance(self.model, TranscriptionConfig)
        if is_transcription != (self.mixtures is not None):
            have, lack = ("model 'transcription'", "[mixtures]") if is_transcription else ("[mixtures]", "its model")
            raise ConfigError(
                f"recipe {self.name!r}: has {have} and not {lack}; clips of several keys are what the model"
                " 'transcription' learns from, and no other: write both or neither"
            )
        if self.mixtures is None:
            return self
        impossible = {
            "target = 'multi-label'": self.target != "multi-label",
            "task = 'note'": self.task != "note",
            "[features] of a spectrogram": not isinstance(self.features, SoundFeatures),
            "no [[augment]], since clips are changed as they are rendered": bool(self.augment),
            "training.views = 0": self.training.views > 0,
        }
        if wanted := [setting for setting, is_needed in impossible.items() if is_needed]:
            raise ConfigError(f"recipe {self.name!r}: [mixtures] need {', '.join(wanted)}")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        domain = self.features.domain
        if (self.window is None) == (domain == "sound"):
            raise ConfigError(
                f"recipe {self.name!r}: {self.features.kind!r} features read {domain}, which "
                + ("needs a [window] with length_s, hop_s and min_s" if domain == "sound" else "takes no [window]")
            )
        for augmentation in self.augment:
            if domain not in augmentation.domains:
                raise ConfigError(
                    f"recipe {self.name!r}: the augmentation {augmentation.kind!r} is for "
                    f"{' and '.join(sorted(augmentation.domains))}, not for {domain}{augmentation.why_refused}; "
                    "remove it"
                )
        return self


def as_recipe(recipe: Recipe | str | Path, *, overrides: Iterable[str] = ()) -> Recipe:
    """Return a recipe with changes, reading it by `load_recipe` unless it is one."""
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, overrides=overrides)
    changes = list(overrides)
    if not changes:
        return recipe
    return Recipe.parse(apply_overrides(recipe.model_dump(), changes), where=f"recipe {recipe.name}")


def load_recipe(name: str | Path, *, overrides: Iterable[str] = ()) -> Recipe:
    """Read a shipped recipe by name, or a TOML file.

    Parameters
    ----------
    name
        ``"zoo/notes"`` or a path ending in ``.toml``.
    overrides
        Changes such as ``"training.epochs=20"``.

    Raises
    ------
    ConfigError
        When the file is missing, not TOML, or holds an unknown key or a bad value.
    UnknownNameError
        When there is no shipped recipe of that name.
    """
    if str(name).endswith(".toml"):
        path = Path(name)
    else:
        shipped = shipped_recipes()
        if str(name) not in shipped:
            raise UnknownNameError("recipe", str(name), shipped)
        path = shipped[str(name)]
    overrides = list(overrides)
    keys = {override.partition("=")[0].strip() for override in overrides}
    if "training.epochs" in keys and "training.min_steps" not in keys:
        overrides.append("training.min_steps=0")  # a person who says how many epochs there are gets as many
    written = {"name": path.stem, **read_toml(path)}
    values = _with_other_features(written, overrides) if _names_other_kind(written, overrides) else written
    values = apply_overrides(values, overrides)
    return Recipe.parse(values, where=f"recipe {name}")


def _names_other_kind(written: Mapping[str, Any], overrides: Iterable[str]) -> bool:
    changed = apply_overrides(written, overrides).get("features")
    return isinstance(changed, dict) and changed.get("kind") != written.get("features", {}).get("kind")


def _with_other_features(written: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a recipe for features of another kind: it keeps of the old settings what the new kind has as well.

    Where the new kind has no windows, the window goes; augmentations of what it does not read go too.
    """
    kind = apply_overrides(written, overrides)["features"]["kind"]
    features = FEATURES[kind] if isinstance(kind, str) else Features
    kept = {key: value for key, value in written["features"].items() if key in features.model_fields}
    values = {**written, "features": kept}
    if features.domain != "sound":
        values.pop("window", None)
        values["augment"] = [
            table for table in written.get("augment", []) if features.domain in AUGMENTATIONS[table["kind"]].domains
        ]
    return values
