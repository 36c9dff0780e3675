"""Settings that make PyTorch fast here; each says what it gained, and where it cannot work nothing happens. Layers: `fast_layers.py`.

Figures: seconds or milliseconds on two cores of an AMD EPYC (AVX2), torch 2.13, batch 8, measured side by side. What they add
up to, on your machine: `make bench`.

Beside what is here: `idcgan/__init__.py` sets GOMP_SPINCOUNT, for OpenMP reads it when torch is loaded (benchmarks/waiting.py);
fused Adam is chosen in `state.py` (one kernel for all weights); G's step takes no gradients of D's weights (`moves.move_g`: a third
of that pass).
"""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from .config import RunConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # from glibc's malloc.h


def keep_memory() -> bool:
    """Tell the C allocator to keep big blocks instead of handing them back at once. True where that worked.

    At 2048 x 2048 the page faults of fresh blocks cost 4 of 17 s a step. What it costs is memory: blocks that do not fit into each
    other's places are held beside them (4.9 GB instead of 3.0). glibc only; elsewhere nothing happens.
    """
    return _mallopt({M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_MAX: 0})


def give_memory_back() -> bool:
    """The opposite, for where memory is short: blocks above 32 MB (the most that glibc takes) go back after use. True where that worked.

    With `large_pages` a step at 2048 x 2048 took 12.2 s in 3.2 GB (11.2 s in 4.9 GB where all blocks are kept), without 15.9 s.
    """
    done = _mallopt({M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * 2**20})
    if done:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return done


def large_pages() -> None:
    """Fresh blocks in pages of 2 MB where the system has them: their page faults cost a third. For where memory is handed back.

    PyTorch reads this at its first allocation, so it must be said before; where blocks are kept it costs memory and gains nothing.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _mallopt(values: dict[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        return all(libc.mallopt(name, value) for name, value in values.items())
    except (OSError, AttributeError):  # musl has no mallopt
        return False


def memory_format(device: torch.device) -> torch.memory_format:
    """channels_last on processors and NVIDIA GPUs, whose convolutions work in that order and copy any other to it on every call
    (8 -> 16 maps at 512 x 512, gradient of the input: 44 ms instead of 94). On Apple's GPUs the plain order.
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on the device. Not waited for on NVIDIA's; on Apple's what was let go of meanwhile can arrive as garbage (PyTorch issue 139550)."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def arithmetic(config: RunConfig, device: torch.device) -> torch.autocast:
    """Around a forward pass: 16-bit (bfloat16) convolutions where `precision` says so.

    Weights, Adam, statistics and losses stay in 32 bits; so do pictures, but for those of smooth heads, and of fine ones, which are rounded
    before they are added. auto: where bfloat16 is in hardware, on NVIDIA GPUs and on processors
    with matrix tiles (Intel's AMX, 2023 and later: a step of `growing` at 128 in 53 ms instead of 97) or vector instructions for it (AMD since Zen 4:
    77 instead of 122; benchmarks/precision.py). Other processors emulate it slowly.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=in_16_bits(config, device))


def in_16_bits(config: RunConfig, device: torch.device) -> bool:
    """What `precision` comes to on this device."""
    return config.precision == "bf16" or (config.precision == "auto" and has_bfloat16(device))


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are in hardware there, and not only emulated."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # an older PyTorch does not say
    return device.type == "cpu" and bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
