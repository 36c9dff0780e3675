"""The five rules of DCGAN, checked on any network, layer by layer (paper, section 3.1; Radford et al. 2015, section 3).

The wording is ours; D's verdict, which neither names, goes without batch norm as in DCGAN's own code.

The network is traced, so what counts is what its forward pass does: `F.max_pool2d` in a forward is found like a
`MaxPool2d` among the layers, and "the layer after" is the one that takes the output, not the next in the listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from inspect import Parameter, signature

from torch import fx, nn

from .errors import InputError

RULES = {
    1: "transposed convolution up, strided convolution down, no pooling",
    2: "no fully connected layers",
    3: "batch norm after every convolution but G's output, D's input and D's verdict",
    4: "ReLU in G, Tanh at its output",
    5: "LeakyReLU in D",
}
ACTIVATIONS = {"relu": "ReLU", "relu_": "ReLU", "leakyrelu": "LeakyReLU", "leaky_relu": "LeakyReLU", "leaky_relu_": "LeakyReLU", "tanh": "Tanh",
               "tanh_": "Tanh", "sigmoid": "Sigmoid", "elu": "ELU", "selu": "SELU", "gelu": "GELU", "silu": "SiLU", "mish": "Mish",
               "prelu": "PReLU", "rrelu": "RReLU", "softplus": "Softplus", "hardtanh": "Hardtanh", "relu6": "ReLU6", "celu": "CELU"}  # fmt: skip
NORMS = ("batchnorm", "batch_norm", "instancenorm", "instance_norm", "groupnorm", "group_norm", "layernorm", "layer_norm")
RESIZES = ("interpolate", "upsample", "pixelshuffle", "pixel_shuffle", "upsamplingnearest2d", "upsamplingbilinear2d")
LINEARS = ("linear", "bilinear", "addmm", "matmul", "mm", "lazylinear")
NOT_DATA = ("getattr", "getitem", "size", "new_tensor", "new_full", "new_zeros", "new_ones")  # shapes and constants, not the picture


@dataclass(frozen=True)
class Check:
    """One rule at one layer; `sentence` says what was found there."""

    rule: int
    layer: str
    passed: bool
    sentence: str


def check_dcgan_rules(network: nn.Module, role: str = "") -> list[Check]:
    """Every rule at every layer it speaks of, in the order of the forward pass; the rules hold where all have `passed`.

    `role` is "generator" or "discriminator"; left out, a network with a learned transposed convolution is a generator.
    Raises InputError where the forward pass cannot be traced, as when it branches on the values it computes.
    """
    flow = _Flow(network)
    role = role or ("generator" if any(flow.kind[n] == "up" for n in flow.nodes) else "discriminator")
    checks = [*_rule_1_and_2(flow), *_rule_3(flow, role), *(_rule_4(flow) if role == "generator" else _rule_5(flow))]
    order = {flow.label(node): i for i, node in enumerate(flow.nodes)}
    return sorted(checks, key=lambda check: (check.rule, order.get(check.layer, 0)))


def _rule_1_and_2(flow: _Flow) -> Iterator[Check]:
    for node in flow.nodes:
        kind, layer = flow.kind[node], flow.label(node)
        if kind in ("up", "down", "conv"):
            yield Check(1, layer, True, {"up": "transposed convolution", "down": "strided convolution", "conv": "convolution"}[kind])
        elif kind == "pool":
            yield Check(1, layer, False, "pooling; use a strided convolution")
        elif kind == "resize":
            yield Check(1, layer, False, "resizing without weights; use a transposed convolution")
        elif kind == "linear":
            yield Check(2, layer, False, "fully connected; use a convolution over the whole 4 x 4 field")
    if not any(flow.kind[node] == "linear" for node in flow.nodes):
        yield Check(2, "whole network", True, "none")


def _rule_3(flow: _Flow, role: str) -> Iterator[Check]:
    for node in flow.nodes:
        if flow.kind[node] not in ("up", "down", "conv"):
            continue
        normed = flow.normed(node)
        batch = all("batch" in flow.name(after) for after in flow.after(node)) if normed else False
        bare = ("the generator's output" if role == "generator" else "the discriminator's verdict") if flow.is_last(node) else ""
        bare = bare or ("the discriminator's input" if role == "discriminator" and flow.is_first(node) else "")
        if bare:
            yield Check(3, flow.label(node), not normed, f"{bare}, {'but with' if normed else 'without'} batch norm")
        else:
            yield Check(3, flow.label(node), batch, "followed by batch norm" if batch else "not followed by batch norm")


def _rule_4(flow: _Flow) -> Iterator[Check]:
    for node in flow.nodes:
        kind, layer = flow.kind[node], flow.label(node)
        if kind == "norm" and not flow.is_last(node):  # one at the output is rule 3's
            yield _activated(flow, node, "ReLU", 4)
        elif kind.startswith("act:") and flow.is_last(node):
            yield Check(4, layer, kind == "act:Tanh", f"{kind[4:]} at the output")
        elif kind.startswith("act:"):
            yield Check(4, layer, kind == "act:ReLU", f"{kind[4:]} inside")
    if not any(flow.kind[n].startswith("act:") and flow.is_last(n) for n in flow.nodes):
        yield Check(4, "output", False, "no Tanh at the output")


def _rule_5(flow: _Flow) -> Iterator[Check]:
    for node in flow.nodes:
        kind = flow.kind[node]
        bare_input = kind in ("down", "conv") and flow.is_first(node) and not flow.is_last(node) and not flow.normed(node)
        if kind == "norm" or bare_input:
            yield _activated(flow, node, "LeakyReLU", 5)
        elif kind.startswith("act:"):
            verdict = kind == "act:Sigmoid" and flow.is_last(node)  # the probability itself, where it is not left to the loss
            yield Check(5, flow.label(node), verdict or kind == "act:LeakyReLU", f"{kind[4:]} {'as the verdict' if verdict else 'inside'}")


def _activated(flow: _Flow, node: fx.Node, wanted: str, rule: int) -> Check:
    found = {flow.kind[after].removeprefix("act:") for after in flow.after(node)}
    return Check(rule, flow.label(node), found == {wanted}, f"followed by {' and '.join(sorted(found)) or 'nothing'}")


class _Layers(fx.Tracer):
    """Takes layers of torch.nn whole, also where they are computed in another way (`fast_layers.py`); looks into everything else."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            return True
        return module.__module__.startswith("torch.nn") and not isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


class _Flow:
    """The way of the picture through a network: the traced nodes that carry it, what each is, and what follows."""

    def __init__(self, network: nn.Module) -> None:
        left_as_they_are = {p.name: p.default for p in signature(network.forward).parameters.values() if p.default is not Parameter.empty}
        try:
            graph = _Layers().trace(network, left_as_they_are)
        except Exception as error:  # fx raises many kinds for what it cannot follow
            raise InputError(
                f"the forward pass of {type(network).__name__} cannot be traced ({error}); write it without branches on values."
            ) from error
        self.layers = dict(network.named_modules())
        self.nodes: list[fx.Node] = []
        self.kind: dict[fx.Node, str] = {}
        for node in graph.nodes:
            if node.op == "placeholder":
                self.kind[node] = "input"
            elif node.op == "output":
                self.kind[node] = "output"
            elif self._carries(node):
                self.kind[node] = self._kind(node)
                self.nodes.append(node)

    def _carries(self, node: fx.Node) -> bool:
        if node.op == "get_attr" or (self.name(node) in NOT_DATA and not self._slices(node)):
            return False
        return any(arg in self.kind for arg in node.all_input_nodes)

    def _slices(self, node: fx.Node) -> bool:
        # z[:, :, None, None] is the picture; shape[0] is not
        return self.name(node) == "getitem" and node.args[0] in self.kind

    def name(self, node: fx.Node) -> str:
        """What is called, in lower case: the class of a layer, the name of a function."""
        if node.op == "call_module":
            return type(self.layers[str(node.target)]).__name__.lower()
        return (node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))).lower()

    def label(self, node: fx.Node) -> str:
        """How a person finds it: the layer's name in the network, or the function's in the forward pass."""
        if node.op == "call_module":
            return str(node.target)
        weight = _parameter(node.args[1]) if "conv" in self.name(node) and len(node.args) > 1 else ""
        return weight.removesuffix(".weight") or node.name

    def _kind(self, node: fx.Node) -> str:
        name = self.name(node)
        if name.startswith("conv") and "2d" in name:
            return self._convolution(node, name)
        if "pool" in name:
            return "pool"
        for kind, names in (("norm", NORMS), ("resize", RESIZES), ("linear", LINEARS)):
            if name.startswith(names) if kind == "norm" else name in names:
                return kind
        return f"act:{ACTIVATIONS[name]}" if name in ACTIVATIONS else "pass"

    def _convolution(self, node: fx.Node, name: str) -> str:
        if node.op == "call_module":
            stride = self.layers[str(node.target)].stride
        else:
            if not _parameter(node.args[1]):
                return "pass"  # a fixed kernel: nothing in it is learned
            stride = node.kwargs.get("stride", node.args[3] if len(node.args) > 3 else 1)
        if "transpose" in name:
            return "up"
        return "down" if max(stride if isinstance(stride, tuple) else (stride,)) > 1 else "conv"

    def after(self, node: fx.Node) -> set[fx.Node]:
        """The first nodes downstream that do something to the picture (sums, slices and fixed kernels are looked through)."""
        found = set()
        for user in node.users:
            if self.kind.get(user) == "pass":
                found |= self.after(user)
            elif user in self.kind:
                found.add(user)
        return found

    def normed(self, node: fx.Node) -> bool:
        """Whatever follows is a normalisation."""
        return all(self.kind[after] == "norm" for after in self.after(node))

    def is_last(self, node: fx.Node) -> bool:
        """No learned layer downstream."""
        return all(not self._learned(n) and self.is_last(n) for n in self._significant(node, "users"))

    def is_first(self, node: fx.Node) -> bool:
        """No learned layer upstream."""
        return all(not self._learned(n) and self.is_first(n) for n in self._significant(node, "all_input_nodes"))

    def _significant(self, node: fx.Node, side: str) -> list[fx.Node]:
        return [n for n in getattr(node, side) if n in self.kind and self.kind[n] not in ("input", "output")]

    def _learned(self, node: fx.Node) -> bool:
        return self.kind[node] in ("up", "down", "conv", "linear")


def _parameter(node: object) -> str:
    """The name of the parameter that a weight in the forward pass is computed from; empty for a fixed kernel."""
    if not isinstance(node, fx.Node) or node.target in NOT_DATA or getattr(node.target, "__name__", "") == "getattr":
        return ""
    if node.op == "get_attr":
        return str(node.target)
    return next((name for name in map(_parameter, node.all_input_nodes) if name), "")
