"""Where a run begins: anew, with players that have seen phantoms, or (`--init`) with the networks of another run or a generator of the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from . import checkpoint
from .building import balance, grow
from .config import RunConfig
from .errors import InputError
from .intake import sha256_of
from .presets import PRESETS
from .pretrained import is_pretrained, players
from .records import RunFolder
from .sampling import Source, load_generator
from .state import State, level_seed, new_state, start

# fields that say how a generator is built, and those that the discriminator takes as well; maps are counted from the top resolution
OF_GENERATOR = ("latent_dim", "channels", "growth", "blur", "edges", "smooth_from", "grain", "fine_head")
OF_BOTH = (*OF_GENERATOR, "feature_maps_g", "feature_maps_d", "max_feature_maps", "min_feature_maps", "crops_from", "crop_maps", "lagrange_from",
           "spline_from", "patches", "projected", "detail", "labels")  # fmt: skip
UNSEEN = ("blur", "edges", "smooth_from")  # of these the shapes of weights say nothing, or not all
BORROWED = "projected."  # layers of D that judge by borrowed features


def begin(config: RunConfig, device: torch.device, init: str | Path | None = None) -> tuple[State, str]:
    """What `_begin` has found, its kernels balanced where they are to be: networks that were trained without may begin a run."""
    state, says = _begin(config, device, init)
    if not config.balanced_kernels:
        return state, says
    if state.generator.frozen:
        return state, "balanced_kernels: what lies below is finished and stays as it is."
    for network in filter(None, (state.generator, state.average)):
        balance(network)
    return state, says


def _begin(config: RunConfig, device: torch.device, init: str | Path | None) -> tuple[State, str]:
    """The state that a run begins with, and a sentence where it is not the usual one.

    With `from_phantoms` both players are those of the package that have seen phantoms at the first resolution, where the networks
    are the same: they know what a chest is, and no patient. Raises InputError where `init` does not fit.
    """
    if init:
        return start_from(init, config, device), ""
    state = start(config, device)
    if not config.from_phantoms:
        return state, ""
    first, found = config.resolutions[0], players(config.resolutions[0])
    if found is None or not _same_networks(state, config, *found):
        why = f"the package has none at {first} x {first}"
        if found is not None:
            why = f"those of the package at {first} x {first} are other networks{_as_wide(config)}"
        return state, f"from_phantoms: {why}, so this run begins anew."
    for network, who in ((state.generator, "generator"), (state.average, "generator"), (state.discriminator, "discriminator")):
        if network is not None:
            network.load_state_dict({**network.state_dict(), **found[1][who]})
    return state, f"both players begin with what they learnt from phantoms at {first} x {first}."


def _as_wide(config: RunConfig) -> str:
    """How to have the width of the preset, where its maps are counted from another top resolution than here."""
    base, names = PRESETS.get(config.preset, {}), ("feature_maps_g", "feature_maps_d")
    top, here = base.get("resolutions", config.resolutions)[-1], config.resolutions[-1]
    if top == here or any(getattr(config, name) != base.get(name) for name in names):
        return ""
    alike = " ".join(f"--set {name}={max(1, base[name] * top // here)}" for name in names)
    return f" (maps are counted from the top resolution, {here} here and {top} in {config.preset}: as wide as that is {alike})"


def _same_networks(state: State, config: RunConfig, other: dict[str, Any], weights: dict[str, dict[str, torch.Tensor]]) -> bool:
    """Whether the players are made of the same layers, which the shapes tell, in the same way, which these fields tell.

    D's heads on borrowed features may be new: they are small, and learn at once.
    """
    same = all(getattr(config, name) == other[name] for name in ("labels", *UNSEEN))
    return same and all(_shapes(net) == {k: v.shape for k, v in weights[who].items() if not k.startswith(BORROWED)}
                        for net, who in ((state.generator, "generator"), (state.discriminator, "discriminator")))  # fmt: skip


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {k: v.shape for k, v in network.state_dict().items() if not k.startswith(BORROWED)}


def has_finished(path: str | Path | None) -> bool:
    """Whether `--init` names a run that was trained to its end: it has been through the transition of the level where it stands."""
    return path is not None and (Path(path) / "run.json").is_file() and RunFolder.open(path).run["status"] == "finished"


def lineage(path: str | Path, config: RunConfig) -> str:
    """Whose networks `--init` begins with: a name and sixteen digits of the SHA-256 of its weights, and whose those began with.

    Raises as `start_from`.
    """
    source = _below_crops(path, config)
    digits = source.fingerprint if source else str(sha256_of(Path(path) / "checkpoint.pt"))
    before = source.facts.get("init") if source else RunFolder.open(path).run.get("began_with")
    return " < ".join(filter(None, (f"{Path(path).name} {digits[:16]}", before)))


def start_from(path: str | Path, config: RunConfig, device: torch.device) -> State:
    """`--init`: the networks of another run, at the level where that run stands; optimisers and random numbers are new.

    Levels below are skipped. Where the level above the finished generator of `path` is one on crops, the run begins there, and a generator is enough:
    "pretrained:normal", a generator file. Raises InputError where the networks do not fit this config.
    """
    source = _below_crops(path, config)
    if source is not None:
        return _above(source, path, config, device)
    if is_pretrained(path) or Path(path).suffix == ".safetensors":
        raise InputError(
            f"--init {path} is a generator without a discriminator, and only a level on crops can go on from that: give resolutions that "
            "begin with its own, and crops_from=RESOLUTION of the next."
        )
    content = checkpoint.load(Path(path) / "checkpoint.pt")
    other = RunConfig.from_dict(content["config"])
    level = content["position"]["level"]
    reached = other.resolutions[: level + 1]
    if config.resolutions[: level + 1] != reached:
        raise InputError(f"--init {path} stands at levels {reached} and resolutions here are {config.resolutions}; they must begin alike.")
    unseen = any(getattr(other, name) != getattr(config, name) for name in ("labels", *UNSEEN)) or other.ways_up()[:level] != config.ways_up()[:level]
    unseen = unseen or other.splines(level) != config.splines(level)
    unseen = unseen or any(other.on_crops(each) != config.on_crops(each) for each in range(level + 1))
    if unseen or (config.on_crops(level) and other.detail_at(level) != config.detail_at(level)):
        raise _other_shape(path, other, config, OF_BOTH)
    state = start(config, device, level)
    try:
        state.generator.load_state_dict(content["generator"])
        state.discriminator.load_state_dict(content["discriminator"])
        if state.average is not None:
            state.average.load_state_dict(content["average"] or content["generator"])
    except RuntimeError:
        raise _other_shape(path, other, config, OF_BOTH) from None
    return state


def _above(source: Source, path: str | Path, config: RunConfig, device: torch.device) -> State:
    """The first state of the level on crops above a finished generator, which must be the same, layer for layer, as what lies below there."""
    other = RunConfig.from_dict(json.loads(source.facts["config"]))
    level = len(source.generator.levels)
    if any(other.on_crops(below) != config.on_crops(below) for below in range(level)):  # a head on crops leaves out what is coarse, another does not
        raise _other_shape(path, other, config, (*OF_GENERATOR, "crops_from"))
    if other.ways_up()[: level - 1] != config.ways_up()[: level - 1]:
        raise _other_shape(path, other, config, (*OF_GENERATOR, "lagrange_from"))
    if other.splines(level - 1) != config.splines(level - 1):
        raise _other_shape(path, other, config, (*OF_GENERATOR, "spline_from"))
    try:
        generator, discriminator = grow(config, level, level_seed(config, level), source.generator, None)
    except RuntimeError:
        raise _other_shape(path, other, config, OF_GENERATOR) from None
    newest = tuple(f"{name}." for name in generator.newest())
    kept = {name for name in generator.state_dict() if not name.startswith(newest)}
    if any(getattr(other, k) != getattr(config, k) for k in OF_GENERATOR) or kept != set(source.generator.state_dict()):
        raise _other_shape(path, other, config, OF_GENERATOR)
    return new_state(config, device, generator, discriminator, level)


def _below_crops(path: str | Path, config: RunConfig) -> Source | None:
    """The finished generator of `path` where the next level of `config` is one on crops."""
    if not config.crops_from:
        return None
    try:
        source = load_generator(path)
    except InputError:
        if is_pretrained(path) or Path(path).suffix == ".safetensors":
            raise
        return None
    count = len(source.generator.levels)
    return source if config.resolutions[:count] == source.generator.levels and count < len(config.resolutions) and config.on_crops(count) else None


def _other_shape(path: str | Path, other: RunConfig, config: RunConfig, fields: tuple[str, ...]) -> InputError:
    differ = [f"{k} is {getattr(other, k)} there and {getattr(config, k)} here" for k in fields if getattr(other, k) != getattr(config, k)]
    if not differ or (fields is OF_GENERATOR and other.resolutions[-1] != config.resolutions[-1]):
        differ.append("feature maps are counted from the top resolution and are others there: set feature_maps_g and min_feature_maps")
    return InputError(f"--init {path}: its networks are others: {', '.join(differ)}.")
