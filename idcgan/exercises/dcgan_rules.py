"""Checks of the exercises of notebook 02: sizes, parameters, a network to repair, kernels that overlap evenly."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import torch
from torch import nn

from ..checkerboards import is_even
from ..course import exercise
from ..layers_view import transposed_size
from ..rules import RULES, check_dcgan_rules

# pixels that come out, kernel, stride, padding; at the first the typical mistakes all give different numbers
SHAPES = ((9, 3, 1, 3), (8, 4, 2, 1), (4, 4, 1, 0), (64, 4, 2, 1), (9, 4, 2, 1), (7, 3, 2, 1), (8, 3, 2, 1), (14, 6, 3, 2), (15, 6, 3, 2),
          (2, 4, 1, 0), (1, 1, 1, 0))  # fmt: skip


@exercise
def input_size(answer: Callable[[int, int, int, int], int | None]) -> str:
    """Exercise 1: (size, kernel, stride, padding) -> pixels per side from which a transposed convolution makes `size`, or None where none do."""
    for size, kernel, stride, padding in SHAPES:
        fitting = [n for n in range(1, size + 2 * padding + 1) if transposed_size(n, kernel, stride, padding) == size]
        wanted, given = fitting[0] if fitting else None, answer(size, kernel, stride, padding)
        case = f"for {size} pixels out of kernel {kernel}, stride {stride}, padding {padding} you say {given}"
        if wanted is None:
            less = size + 2 * padding < kernel
            why = "the output would be smaller than one stamp" if less else "the division leaves a remainder, and no input makes exactly that size"
            assert given is None, f"{case}; it should be None: {why}."
            continue
        assert given is not None, f"{case}, and an input of {wanted} makes them; is the answer given back with return, and None only if nothing fits?"
        assert isinstance(given, Integral), f"{case}; pixels are whole numbers: divide with //, after a look at the remainder."
        mistakes = {
            transposed_size(size, kernel, stride, padding): "that is what comes out of an input of that size; solve the formula for in",
            wanted - 1: "between n stamps there are n - 1 strides, so add the first stamp again",
            (size - 2 * padding - kernel) // stride + 1: "solved for in, 2 * padding changes its sign",
            (size + padding - kernel) // stride + 1: "padding is cut off on both sides",
            size // stride: "that holds only where kernel - 2 * padding is the stride",
        }
        assert given == wanted, f"{case}; {wanted} makes them: {mistakes.get(given, 'solve out = (in - 1) * stride - 2 * padding + kernel for in')}."
    return f"all {len(SHAPES)} sizes are right, and so are those that no input makes."


@exercise
def block_parameters(answer: Callable[[int, int, int], int]) -> str:
    """Exercise 2: (maps_in, maps_out, kernel) -> what a transposed convolution without bias and the batch norm after it learn."""
    for maps_in, maps_out, kernel in ((64, 24, 4), (100, 64, 4), (8, 8, 3), (1, 1, 1), (2048, 1024, 4)):
        with torch.device("meta"):
            block = nn.Sequential(nn.ConvTranspose2d(maps_in, maps_out, kernel, bias=False), nn.BatchNorm2d(maps_out))
        wanted, given = sum(p.numel() for p in block.parameters()), answer(maps_in, maps_out, kernel)
        assert isinstance(given, Integral), f"the answer is {given!r}; give back a whole number."
        weights = kernel**2 * maps_in * maps_out
        mistakes = {
            weights: "batch norm learns something too: a scale and a shift for each map",
            weights + maps_out: "batch norm has a scale and a shift: two numbers a map",
            weights + 3 * maps_out: "the convolution has no bias here: batch norm's shift takes its place",
            weights + 4 * maps_out: "running means and variances are measured, not learned: they are no parameters",
            weights + 2 * maps_in: "batch norm works on the maps that come out",
            kernel * maps_in * maps_out + 2 * maps_out: "a kernel has two dimensions",
        }
        case = f"{maps_in} maps to {maps_out} with a kernel of {kernel}"
        hint = mistakes.get(given, "one kernel for every pair of a map that goes in and one that comes out")
        assert given == wanted, f"for {case} you say {given:,}, PyTorch {wanted:,}: {hint}."
    return "counted as PyTorch counts."


def broken_generator() -> nn.Sequential:
    """z (b, 100) -> pictures (b, 1, 32, 32). It runs and trains, and it breaks three of the rules."""
    return nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(64, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1, bias=False), nn.Sigmoid(),
    )  # fmt: skip


@exercise
def repaired_generator(answer: Callable[[], nn.Module]) -> str:
    """Exercise 3: `broken_generator` without its faults."""
    network = answer()
    assert isinstance(network, nn.Module), f"the answer is a {type(network).__name__}; give back the network itself."
    latents = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            shape = tuple(network(latents).shape)
    except RuntimeError as error:
        raise AssertionError(f"the layers do not fit each other: {str(error).splitlines()[0]}") from None
    assert shape == (4, 1, 32, 32), f"four latents become {shape}; wanted (4, 1, 32, 32): go through the shapes layer by layer."
    failed = [check for check in check_dcgan_rules(network, "generator") if not check.passed]
    if failed:
        one = failed[0]
        raise AssertionError(f"rule {one.rule} ({RULES[one.rule]}) is still broken at layer {one.layer}: {one.sentence}.")
    return "all five rules hold, and four latents are four pictures of 32 x 32."


@exercise
def even_kernel(answer: Callable[[int], tuple[int, int]]) -> str:
    """Exercise 4: stride -> (kernel, padding): the smallest kernel above the stride with even overlap and a whole padding for stride * input."""
    for stride in (2, 3, 4, 5, 1, 8):
        kernel, padding = answer(stride)
        case = f"for stride {stride} you say kernel {kernel}, padding {padding}"
        assert isinstance(kernel, Integral), f"{case}; a kernel has a whole number of pixels."
        assert kernel > stride, f"{case}: stamps then lie side by side and never overlap, and seams show; take a larger kernel."
        assert is_even(kernel, stride), f"{case}: some outputs are reached more often than their neighbours; when does a stride divide a kernel?"
        half = (kernel - stride) % 2 == 1
        assert not half, f"{case}: kernel {kernel} needs a padding of {(kernel - stride) / 2}, and there are no half pixels; try the next multiple."
        assert isinstance(padding, Integral), f"{case}; padding must be a whole number: divide with //."
        assert padding >= 0, f"{case}; padding is 0 or more."
        made = transposed_size(10, kernel, stride, padding)
        assert made == stride * 10, f"{case}: 10 pixels become {made}, not {10 * stride}; solve (n - 1) * stride - 2 * padding + kernel = n * stride."
        smallest = 2 * stride if stride % 2 == 0 else 3 * stride
        assert kernel == smallest, f"{case}: it works, and {smallest} does it with fewer multiplications."
    return "even overlap and the right size for every stride that was tried; for stride 2 that is DCGAN's own kernel of 4."
