"""What a field of RunConfig may hold, and how it is read from a terminal, a notebook or JSON."""

from __future__ import annotations

import math
from typing import Any

from .errors import InputError

AUGMENTATIONS = ("brightness", "contrast", "translation", "shift", "cutout", "flip")
CHOICES = {
    "square": ("crop", "pad"),
    "channels": (1, 3),
    "edges": ("zeros", "replicate"),
    "kernels": ("normal", "he", "bilinear"),
    "growth": ("preserve", "reset", "scratch"),
    "transition": ("replace", "fade", "jump"),
    "objective": ("bce", "hinge", "least_squares"),
    "generator_loss": ("non_saturating", "saturating"),
    "labels": ("standard", "flipped"),
    "epochs_for": ("run", "level"),
    "precision": ("auto", "fp32", "bf16"),
}
# field: (smallest, largest) allowed, both included
RANGES = {
    "seed": (0, 2**31 - 1),
    "workers": (0, 64),
    "latent_dim": (1, 4096),
    "feature_maps_g": (1, 512),
    "feature_maps_d": (1, 512),
    "max_feature_maps": (0, 4096),
    "min_feature_maps": (1, 4096),
    "crops_from": (0, 4096),
    "detail": (0.0, 1000.0),
    "crop": (64, 2048),
    "crop_maps": (1, 512),
    "micro_batch": (0, 1_000_000),
    "epochs": (0, 1_000_000),
    "minutes": (0.0, 100_000.0),
    "transition_share": (0.0, 1.0),
    "smooth_from": (0, 4096),
    "lagrange_from": (0, 4096),
    "spline_from": (0, 4096),
    "one_batch_from": (0, 4096),
    "learning_rate": (1e-8, 1.0),
    "learning_rate_d": (0.0, 1.0),
    "cool_down": (0.0, 1.0),
    "beta1": (0.0, 0.9999),
    "beta2": (0.0, 0.999999),
    "label_smoothing": (0.0, 0.5),
    "augment_strength": (0.0, 1.0),
    "ema": (0.0, 0.999999),
    "log_every": (1, 1_000_000),
    "checkpoint_seconds": (0.0, 1e6),
    "samples": (1, 256),
    "moments": (0, 100),
}


def coerce(name: str, value: Any, hint: Any) -> Any:
    """A value from a terminal, a notebook or JSON as the type `hint` of the field `name`. Raises InputError."""
    if str(hint).startswith("tuple"):
        kind = str if "str" in str(hint) else float if "float" in str(hint) else int
        items = value.replace(" ", "").split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        return tuple(_scalar(name, item, kind) for item in items if item != "")
    return _scalar(name, value, hint)


def check_value(name: str, value: Any) -> None:
    """Refuse what a field may not hold, whatever the other fields hold: InputError."""
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise InputError(f"{name} is {number}; give a finite number.")
        if name in RANGES and not RANGES[name][0] <= number <= RANGES[name][1]:
            raise InputError(f"{name} is {number}; it must lie between {RANGES[name][0]} and {RANGES[name][1]}.")
    if name in CHOICES and value not in CHOICES[name]:
        raise InputError(f"{name} is {value!r}; choose one of {listed(CHOICES[name])}.")


def kind_and_share(kind: str) -> tuple[str, float]:
    """"brightness:0.25" -> ("brightness", 0.25): a kind of augmentation, and its share of the strength. Raises InputError."""
    name, colon, share = kind.partition(":")
    if name not in AUGMENTATIONS:
        raise InputError(f"augment names {name!r}; choose from {listed(AUGMENTATIONS)}.")
    try:
        value = float(share) if colon else 1.0
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise InputError(f"augment holds {kind!r}; behind the colon stands the kind's strength, from 0 to 1, such as {name}:0.25.")
    return name, value


def listed(names: Any) -> str:
    """Names for a sentence."""
    return ", ".join(str(n) for n in names)


def _scalar(name: str, value: Any, kind: type) -> Any:
    wanted = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
    refusal = InputError(f"{name} is {value!r}; it must be {wanted}.")
    if kind is str:
        if not isinstance(value, str):
            raise refusal
        return value
    if kind is bool:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise refusal
        return value
    if isinstance(value, bool):
        raise refusal
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise refusal from None
    if kind is float or not math.isfinite(number):
        return number if kind is float else _refuse_nan(name, number)
    if number != int(number):
        raise refusal
    return int(number)


def _refuse_nan(name: str, number: float) -> int:
    raise InputError(f"{name} is {number}; give a finite number.")
