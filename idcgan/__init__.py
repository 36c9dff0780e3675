"""idcgan: incremental DCGAN, a generative adversarial network that learns chest films at 64 x 64 and grows to 2048 x 2048.

What notebooks import is named here and loaded when first asked for: the workers that build a pyramid start without torch.
"""

import os
from importlib import import_module

__version__ = "0.1.0"

# OpenMP's threads wait for each other by spinning; where another program wants the core, the one that spins keeps out the one it
# waits for, and a step takes half as long again as it must. So a spin, then sleep: too short a one (2,000) makes a step a third longer on a
# quiet machine, for its hundreds of small operations then wake the other thread each time. benchmarks/waiting.py. (Read when torch is loaded.)
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

_HOME = {
    "PRESETS": "config", "RunConfig": "config", "preset": "config",
    "InputError": "errors", "WorkError": "errors",
    "Pyramid": "pyramid", "MixedBatches": "batches",
    "Generator": "networks", "Discriminator": "networks", "grow": "building", "check_dcgan_rules": "rules",
    "RunFolder": "records", "train": "training", "resume": "training", "train_or_resume": "training", "Live": "live",
    "load_generator": "sampling", "sample": "sampling",
    "evaluate": "evaluation", "make_study": "reader",
}  # fmt: skip
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'idcgan' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
