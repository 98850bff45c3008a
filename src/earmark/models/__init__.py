"""Networks: pictures in, logits out."""

from earmark.models.backbone import Backbone, BackboneConfig
from earmark.models.base import MODELS, ModelConfig, Network, Normalize
from earmark.models.cnn import Cnn, CnnConfig
from earmark.models.keys import Keys, KeysConfig
from earmark.models.modulation import Modulation, ModulationConfig
from earmark.models.residual import Residual, ResidualConfig

__all__ = [
    "MODELS",
    "Backbone",
    "BackboneConfig",
    "Cnn",
    "CnnConfig",
    "Keys",
    "KeysConfig",
    "ModelConfig",
    "Modulation",
    "ModulationConfig",
    "Network",
    "Normalize",
    "Residual",
    "ResidualConfig",
]
