"""The machine under the run: its device, its memory. What makes PyTorch fast on it is in `tuning.py` and `fast_layers.py`."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import torch

from .errors import InputError

SHARE = "IDCGAN_MEMORY_SHARE"  # in the environment of a batch's run: bytes of memory that it may plan with


def choose_device(name: str = "auto") -> torch.device:
    """auto: cuda, then mps, then cpu. Raises InputError for a device that is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    kind, colon, number = name.partition(":")
    if kind not in there or (colon and not (kind == "cuda" and number.isdecimal())):
        raise InputError(f"device is {name!r}; choose one of auto, cpu, cuda, mps.")
    if not there[kind]:
        raise InputError(f"device is {name!r}, which PyTorch does not find here; use --device auto or cpu.")
    if number and int(number) >= torch.cuda.device_count():
        raise InputError(f"device is {name!r} and there are {torch.cuda.device_count()} GPUs, counted from 0.")
    return torch.device(name)


def describe(device: torch.device) -> str:
    """One phrase for the progress line and run.json."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} (cuda)"
    if device.type == "mps":
        return "Apple GPU (mps)"
    threads = torch.get_num_threads()
    return f"{processor()}, {threads} thread{'s' if threads > 1 else ''}"


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def memory_available() -> int:
    """Bytes that can be had now, container limits (cgroup v2) included; a very large number where the system does not say."""
    room = sys.maxsize
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                room = int(line.split()[1]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        if limit != "max":
            used = int(Path("/sys/fs/cgroup/memory.current").read_text())
            stat = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
            # files that the kernel keeps in memory count as used, and go as soon as the room is needed
            room = min(room, int(limit) - used + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):
        if room == sys.maxsize and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return room


def memory_peak() -> int:
    """The most bytes that this process has held so far; 0 where the system does not say (Windows)."""
    try:
        # not ru_maxrss: there a new process begins with the peak of the one that started it
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
