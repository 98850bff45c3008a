"""Networks: pictures in, logits out."""

from earmark.models.backbone import Backbone, BackboneConfig
from earmark.models.base import MODELS, ModelConfig, Network, Normalize, Resize
from earmark.models.cnn import Cnn, CnnConfig
from earmark.models.crnn import Crnn, CrnnConfig, CrnnState
from earmark.models.double_residual import DoubleResidual, DoubleResidualConfig
from earmark.models.keys import Keys, KeysConfig
from earmark.models.minivgg import MiniVgg, MiniVggConfig
from earmark.models.mlp import Mlp, MlpConfig
from earmark.models.modulation import Modulation, ModulationConfig
from earmark.models.pretrained import PRETRAINED, Pretrained
from earmark.models.residual import Residual, ResidualConfig
from earmark.models.transcription import Transcription, TranscriptionConfig
from earmark.models.transfer import StandardizedHead, Transfer, TransferConfig

__all__ = [
    "MODELS",
    "PRETRAINED",
    "Backbone",
    "BackboneConfig",
    "Cnn",
    "CnnConfig",
    "Crnn",
    "CrnnConfig",
    "CrnnState",
    "DoubleResidual",
    "DoubleResidualConfig",
    "Keys",
    "KeysConfig",
    "MiniVgg",
    "MiniVggConfig",
    "Mlp",
    "MlpConfig",
    "ModelConfig",
    "Modulation",
    "ModulationConfig",
    "Network",
    "Normalize",
    "Pretrained",
    "Residual",
    "ResidualConfig",
    "Resize",
    "StandardizedHead",
    "Transcription",
    "TranscriptionConfig",
    "Transfer",
    "TransferConfig",
]
