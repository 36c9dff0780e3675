"""A network layer by layer, counted without being allocated: shapes, parameters, multiplications, what backward has to keep.

On PyTorch's meta device a tensor has a shape and no memory, so that a generator for 2048 x 2048 costs nothing to look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .config import RunConfig
from .memory import multiplies, plan_memory
from .networks import Generator, feature_maps


@dataclass(frozen=True)
class Layer:
    """One layer: its name in the network, its class, what it is given and puts out per film as (maps, h, w), and what it costs.

    `multiplies` are those of one film, forward. `kept` are the numbers per film that backward needs (0 where it works in place);
    a number takes four bytes.
    """

    name: str
    kind: str
    given: tuple[int, ...]
    out: tuple[int, ...]
    parameters: int
    multiplies: int
    kept: int


@dataclass(frozen=True)
class Stage:
    """All layers of one resolution together, `maps` as the last of them puts out."""

    resolution: int
    maps: int
    parameters: int
    multiplies: int
    kept: int


def transposed_size(size: int, kernel: int, stride: int, padding: int = 0, output_padding: int = 0) -> int:
    """Pixels per side that a transposed convolution makes of `size`."""
    return (size - 1) * stride - 2 * padding + kernel + output_padding


def convolved_size(size: int, kernel: int, stride: int, padding: int = 0) -> int:
    """Pixels per side that a convolution makes of `size`: the other way round, rounded down where the last step does not fit."""
    return (size + 2 * padding - kernel) // stride + 1


def plain_generator(resolution: int, maps_at_last: int, cap: int, latent_dim: int = 100, device: str = "meta") -> Generator:
    """The generator of the paper's diagram for one resolution: one chain, one head. Raises InputError as RunConfig does."""
    config = _config(resolution, maps_at_last, cap, latent_dim, 8)
    with torch.device(device):
        return Generator((resolution,), feature_maps(resolution, maps_at_last, cap), config.latent_dim, skip=False)


def layers(network: nn.Module, x: Tensor) -> list[Layer]:
    """The layers in the order of one pass of `x` (b, ...), which may lie on the meta device."""
    shapes: dict[str, tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = {}

    def note(name: str) -> Any:
        def hook(layer: nn.Module, given: tuple[Tensor], out: Tensor) -> None:
            shapes[name] = layer, tuple(given[0].shape[1:]), tuple(out.shape[1:])

        return hook

    hooks = [m.register_forward_hook(note(name)) for name, m in network.named_modules() if not list(m.children())]
    with torch.no_grad():
        network(x)
    for handle in hooks:
        handle.remove()
    work = multiplies(network, x)
    return [_layer(name, *shape, work.get(name, 0)) for name, shape in shapes.items()]


def _layer(name: str, layer: nn.Module, given: tuple[int, ...], out: tuple[int, ...], work: int) -> Layer:
    held = sum(p.numel() for p in layer.parameters())
    if isinstance(layer, nn.Linear):
        work = layer.weight.numel()
    kept = 0 if getattr(layer, "inplace", False) or isinstance(layer, nn.Flatten | nn.Unflatten) else torch.Size(out).numel()
    return Layer(name, _kind(layer), given, out, held, work, kept)


def _kind(layer: nn.Module) -> str:
    """The class as PyTorch has it, also where the layer is computed in another way (`fast_layers.py`)."""
    theirs = next(c for c in type(layer).__mro__ if c.__module__.startswith("torch.nn"))
    return type(layer).__name__ if theirs is nn.Module else theirs.__name__


def stages(found: list[Layer]) -> list[Stage]:
    """The layers of pictures (maps, h, w) put together by the resolution they put out, in the order of the pass."""
    by: dict[int, list[Layer]] = {}
    for layer in found:
        if len(layer.out) == 3:
            by.setdefault(layer.out[-1], []).append(layer)
    return [
        Stage(side, group[-1].out[0], *(sum(getattr(layer, what) for layer in group) for what in ("parameters", "multiplies", "kept")))
        for side, group in by.items()
    ]


def training_memory(resolution: int, maps_at_last: int, cap: int, latent_dim: int, batch_size: int) -> int:
    """Bytes that a training step of both players needs at most, the fastest way (`memory.plan_memory`). Raises InputError."""
    return plan_memory(_config(resolution, maps_at_last, cap, latent_dim, batch_size), float("inf"))[0].memory


def _config(resolution: int, maps_at_last: int, cap: int, latent_dim: int, batch_size: int) -> RunConfig:
    return RunConfig(resolutions=(resolution,), feature_maps_g=maps_at_last, feature_maps_d=maps_at_last, max_feature_maps=cap,
                     latent_dim=latent_dim, batch_size=(batch_size,), growth="reset")  # fmt: skip


def spreads(network: nn.Module, x: Tensor, kinds: tuple[type[nn.Module], ...] = (nn.ReLU, nn.Tanh)) -> list[float]:
    """Standard deviation of what each activation of `kinds` puts out, in the order of one pass: signals that vanish or explode."""
    found: list[float] = []
    hooks = [m.register_forward_hook(lambda _, __, out: found.append(float(out.std()))) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        network(x)
    for handle in hooks:
        handle.remove()
    return found


def stopped(network: nn.Module, x: Tensor, kinds: tuple[type[nn.Module], ...]) -> list[float]:
    """Share of the places before each layer of `kinds` that get no gradient at all, from the film inwards, for the sum of what comes out."""
    found: list[float] = []

    def note(_: nn.Module, back: tuple[Tensor, ...], __: Any) -> None:
        found.append(float((back[0] == 0).float().mean()))

    hooks = [m.register_full_backward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    network(x.clone().requires_grad_()).sum().backward()
    for handle in hooks:
        handle.remove()
    network.zero_grad(set_to_none=True)
    return found[::-1]


def said(count: float) -> str:
    """A count as a person says it: 950, 27 thousand, 4.2 million, 2.3 billion, 35 trillion."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            amount = count / size
            return f"{amount:,.0f} {word}" if amount >= 10 else f"{amount:.1f} {word}"
    return f"{count:.0f}"
