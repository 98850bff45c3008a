"""Backbones by name: an entry of the registry, any timm model, or an ONNX file."""

from __future__ import annotations

from earmark.errors import ConfigError, UnknownNameError
from earmark.features import Features
from earmark.models.backbone import timm_body
from earmark.models.onnx_body import OnnxBody
from earmark.models.pretrained import PRETRAINED, Pretrained


def find_backbone(
    name: str, *, weights: str = "", mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)
) -> Pretrained:
    """Return the backbone that a recipe names.

    Parameters
    ----------
    name
        An entry of `PRETRAINED`; the name of a timm model; or the path of an ONNX file, see `OnnxBody`.
    weights
        Of a timm model, see `BackboneConfig`; ``"imagenet"`` when nothing is given.
    mean, std
        Of an ONNX file, see `OnnxBody`.

    Raises
    ------
    UnknownNameError
        When it is none of them.
    ConfigError
        When weights are given for a backbone that has its own.
    """
    if _is_onnx(name):
        _refuse_weights(name, weights)
        return _from_onnx(name, mean=mean, std=std)
    if name in PRETRAINED:
        _refuse_weights(name, weights)
        return PRETRAINED[name]
    _refuse_unknown(name)
    return _from_timm(name, weights=weights or "imagenet")


def features_of_backbone(name: str) -> Features | None:
    """Return the only front end that a backbone takes, or None when it takes any picture; nothing is loaded for it.

    Raises
    ------
    UnknownNameError
        When there is no such backbone.
    """
    if name in PRETRAINED:
        return PRETRAINED[name].features
    if not _is_onnx(name):
        _refuse_unknown(name)
    return None


def timm_model_of(name: str) -> str:
    """Return the timm model that a backbone is, or an empty string when it is none."""
    if name in PRETRAINED:
        return PRETRAINED[name].timm_model
    return "" if _is_onnx(name) else name


def _refuse_unknown(name: str) -> None:
    import timm

    if not timm.is_model(name):
        raise UnknownNameError("backbone, timm model or .onnx file", name, PRETRAINED)


def _is_onnx(name: str) -> bool:
    return name.partition("::")[0].endswith(".onnx")


def _refuse_weights(name: str, weights: str) -> None:
    if weights:
        raise ConfigError(
            f"the backbone {name!r} has weights of its own; leave model.weights = {weights!r} out, or name a timm model"
        )


def _from_timm(name: str, *, weights: str) -> Pretrained:
    import timm
    import torch
    from timm.models import PretrainedCfg

    with torch.device("meta"):
        n_embedding = timm_body(name, weights="none").n_embedding
    settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
    published = weights == "imagenet"
    return Pretrained(
        name=name,
        source=f"timm {settings.hf_hub_id or name}" if published else weights,
        licence=settings.license or "unknown" if published else "unknown",
        citation="",
        features=None,
        n_embedding=n_embedding,
        sha256="",
        extra="",
        load=lambda: timm_body(name, weights=weights).eval(),
        timm_model=name,
    )


def _from_onnx(source: str, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Pretrained:
    body = OnnxBody(source, mean=mean, std=std).eval()
    return Pretrained(
        name=source,
        source=source,
        licence="unknown",
        citation="",
        features=None,
        n_embedding=body.n_embedding,
        sha256=body.key,
        extra="",
        load=lambda: body,
    )
