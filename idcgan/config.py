"""RunConfig: everything that decides a run, one field each.

Tables 1-3 of the paper are fields here under the field's own names; what the paper leaves open is a field too, so
that a run never depends on a constant hidden in the code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_type_hints

from .errors import InputError, nearest
from .fields import check_value, coerce, kind_and_share, listed
from .presets import PRESETS
from .pyramid import check_resolutions

RETIRED = {"cubic_from": 0, "mends_from": 0, "lanczos_from": 0}  # fields that are gone, and the value that left them without effect


@dataclass(frozen=True)
class RunConfig:
    """One run, whole. Every field can be set by name (`--set field=value`, papermill, a dict); wrong values are refused.

    Raises InputError naming the field. `batch_size`, `detail` and `level_shares` may give one value per level.
    """

    preset: str = "recommended"
    label_class: str = ""  # "normal", "abnormal" or any subfolder of the films; empty: the folder as it is
    seed: int = 0
    # the films and their pyramid (paper, section 4)
    resolutions: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    square: str = "crop"
    channels: int = 1
    workers: int = 2  # threads that prepare the next batches ("number of worker threads", algorithm IDCGAN)
    # the networks (paper, section 3.1; latent size as in Radford et al. 2015)
    latent_dim: int = 100
    feature_maps_g: int = 8  # at the last hidden layer of the top level, doubling towards the latent
    feature_maps_d: int = 8
    max_feature_maps: int = 128  # where the doubling stops; 0: never
    min_feature_maps: int = 1  # no level has fewer, so that narrow tops do not ask for wide bottoms
    blur: bool = False  # a fixed [1 2 1] after each transposed convolution: against checkerboards
    smooth_from: int = 0  # from this resolution on G enlarges bilinearly and then convolves 3 x 3, against checkerboards; 0: never
    # from this resolution on, smooth enlargements and fine heads enlarge features by splines, not bilinearly: less echo of what is coarse; 0: never
    spline_from: int = 0
    balanced_kernels: bool = False  # the four parts of a transposed kernel, one per pixel of a 2 x 2 block, sum to the same: no grid in every film
    fine_head: bool = False  # G has feature maps at the film's own resolution too, half as many as at half of it: edges that no enlargement can make
    grain: bool = False  # noise into G's features from 16 x 16 on: texture that z need not decide
    patches: bool = False  # D also judges patches of the films, with the weight that it gives to whole films
    projected: bool = False  # D also judges by features of a network that knows photographs, with the same weight again (projected.py)
    edges: str = "zeros"  # what transposed convolutions see beyond the border; "replicate": no frame around the films
    kernels: str = "normal"  # how convolutions start, see building.initialise
    from_phantoms: bool = False  # both players begin with what they learnt from phantoms (origin.py), where the package has such networks; else anew
    growth: str = "preserve"
    crops_from: int = 0  # from this resolution on G's new layers alone are trained, with a fine head, on crops (crops.py); 0: never
    crop: int = 128  # side of these crops
    crop_maps: int = 16  # first feature maps of the discriminator there, doubling
    # how many times it is also shown what a film has that half its resolution has not, one for all levels, or one per level; 0: never
    detail: tuple[float, ...] = (0.0,)
    # from this level on D is shown real and fake crops as one batch, so that batch norm does not hide which is stronger (moves.py); 0: never
    one_batch_from: int = 0
    # from this level on G enlarges the picture of the level below by polynomials, not bilinearly (growth = preserve; fixed_maps.py); 0: never
    lagrange_from: int = 0
    # the schedule: `epochs`, or `minutes` of wall clock when that is not 0
    epochs: int = 15
    epochs_for: str = "run"  # "run": epochs is shared over the levels; "level": every level gets all of them
    minutes: float = 0.0
    level_shares: tuple[float, ...] = ()  # each level's share of the epochs or minutes; empty: equal
    batch_size: tuple[int, ...] = (8,)  # one for all levels, or one per level
    micro_batch: int = 0  # films that go through the networks together, where memory is short; batch norm sees these; 0: all
    transition: str = "replace"
    transition_share: float = 0.5  # the part of a level in which the replaced share rises from 0 to 1
    # the arithmetic: bf16 keeps weights, batch norm's statistics and losses in 32 bits (docs/speed.md); auto is bf16 where the hardware has it
    precision: str = "auto"
    sync_batch_norm: bool = True  # with several processes: statistics of the whole batch, not of each process's films
    # the game (equation 1) and its optimiser (momenta as in Radford et al. 2015)
    objective: str = "bce"
    generator_loss: str = "non_saturating"
    labels: str = "standard"
    label_smoothing: float = 0.0  # real films are labelled 1 - label_smoothing
    learning_rate: float = 0.0001
    learning_rate_d: float = 0.0  # 0: the same as learning_rate
    cool_down: float = 0.0  # the last part of the run (of its film levels, and of each level on crops), over which both rates fall to a fiftieth
    beta1: float = 0.5
    beta2: float = 0.999
    # beyond the paper
    # of AUGMENTATIONS, in both players' view of both real and fake, where films are whole; "brightness:0.25" has a quarter of the strength
    augment: tuple[str, ...] = ()
    augment_strength: float = 1.0
    ema: float = 0.0  # decay per step of the generator's running average; 0: off
    # the records
    log_every: int = 10
    checkpoint_seconds: float = 60.0
    samples: int = 36  # films on a sample grid
    moments: int = 4  # times per level at which the same latents are drawn for the time-lapse

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            object.__setattr__(self, name, coerce(name, getattr(self, name), hint))
        for name, value in dataclasses.asdict(self).items():
            check_value(name, value)
        if re.search(r"[/\\\x00-\x1f]", self.label_class) or self.label_class.startswith("."):
            raise InputError(f"label_class is {self.label_class!r}; give the plain name of a subfolder, such as normal.")
        for kind in self.augment:
            kind_and_share(kind)
        if self.objective != "bce" and (self.label_smoothing or self.generator_loss != "non_saturating"):
            raise InputError(f"label_smoothing and generator_loss belong to objective bce; objective is {self.objective}, leave them out.")
        _check_levels(self)
        _check_crops(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """Strict: an unknown field or a wrong type is refused by name; nothing is guessed. Raises InputError.

        Runs from before a field was given up can be read where it was off.
        """
        hints = get_type_hints(cls)
        for name, idle in RETIRED.items():
            if values.get(name, idle) != idle:
                raise InputError(f"{name} is {values[name]}, and that field is gone; code in which it was reads it (code_version of a run).")
        values = {name: value for name, value in values.items() if name not in RETIRED}
        for name in values:
            if name not in hints:
                raise InputError(f"unknown field {name!r}; {nearest(name, hints, 'see RunConfig for the fields.')}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, strings and numbers, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def hash(self) -> str:
        """Twelve hex digits that name this configuration."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]

    def rates(self) -> tuple[float, float]:
        """The learning rates of G and D."""
        return self.learning_rate, self.learning_rate_d or self.learning_rate

    def batch_at(self, level: int) -> int:
        """Films per batch at level index `level` (0 is D1)."""
        return self.batch_size[level] if len(self.batch_size) > 1 else self.batch_size[0]

    def detail_at(self, level: int) -> float:
        """How many times D is shown what is new at level index `level`, where that is on crops."""
        return self.detail[level] if len(self.detail) > 1 else self.detail[0]

    def on_crops(self, level: int) -> bool:
        """Whether level index `level` is trained on crops."""
        return bool(self.crops_from) and self.resolutions[level] >= self.crops_from

    def in_one_batch(self, level: int) -> bool:
        """Whether D is shown real and fake as one batch at level index `level`."""
        return 0 < self.one_batch_from <= self.resolutions[level] and self.on_crops(level)

    def ways_up(self) -> tuple[bool, ...]:
        """For each level but the first, of a generator that grows: is the picture of the level below enlarged by polynomials?"""
        return tuple(0 < self.lagrange_from <= r for r in self.resolutions[1:]) if self.growth == "preserve" else ()

    def splines(self, level: int = -1) -> tuple[int, ...]:
        """The resolutions, up to that of a level, to which features are enlarged as splines."""
        top, fine = self.resolutions[level], 4 if self.fine_head else self.crops_from
        features = [r for r in (2**k for k in range(3, top.bit_length() - 1)) if 0 < self.smooth_from <= r]
        heads = [r for r in self.resolutions if r <= top and (0 < fine <= r or 0 < self.smooth_from <= r)]
        return tuple(sorted({r for r in (*features, *heads) if 0 < self.spline_from <= r}))

    def side_at(self, level: int) -> int:
        """The side in pixels of what is trained on at level index `level`: crops or films."""
        return self.crop if self.on_crops(level) else self.resolutions[level]

    def shares(self) -> tuple[float, ...]:
        """Each level's share of the run; sums to 1."""
        raw = self.level_shares or (1.0,) * len(self.resolutions)
        return tuple(s / sum(raw) for s in raw)


def preset(name: str, /, **changes: Any) -> RunConfig:
    """The preset `name` with fields changed. `epochs=` puts the wall-clock bound out of force, and the other way round.

    Raises InputError for an unknown preset or field, or for epochs and minutes together.
    """
    if name not in PRESETS:
        near = nearest(name, PRESETS, "")
        raise InputError(f"unknown preset {name!r}; choose one of {listed(PRESETS)}" + (f" ({near})." if near else "."))
    if "preset" in changes:
        raise InputError("preset cannot be set like a field; choose it with --preset.")
    bounds = {"epochs": int, "minutes": float}
    changes = {k: coerce(k, v, bounds[k]) if k in bounds else v for k, v in changes.items()}
    if changes.get("epochs") and changes.get("minutes"):
        raise InputError("epochs and minutes are both set; give one of them.")
    values = {"preset": name, **PRESETS[name], **changes}
    if changes.get("epochs"):
        values["minutes"] = 0.0
    if changes.get("minutes"):
        values["epochs"] = 0
    if "resolutions" in changes:
        values = {**values, **_for_levels(PRESETS[name], coerce("resolutions", changes["resolutions"], tuple[int, ...])), **changes}
    return RunConfig.from_dict(values)


def configure(
    preset_name: str,
    films: str,
    /,
    label_class: str = "",
    resolutions: str | tuple[int, ...] = "",
    epochs: int = 0,
    minutes: float = 0.0,
    seed: int = 0,
    **changes: Any,
) -> RunConfig:
    """The options of the terminal and of notebook 04 as a RunConfig; empty and 0 leave a field to the preset.

    Phantom films say their class themselves. Raises InputError.
    """
    phantom = films.split(":")[1] if films.startswith("phantom:") else ""
    if phantom and label_class and phantom != label_class:
        raise InputError(f"the films are {films} and the class is {label_class}; leave the class out, or ask for phantom:{label_class}.")
    given = {"label_class": phantom or label_class, "resolutions": resolutions, "epochs": epochs, "minutes": minutes, "seed": seed}
    return preset(preset_name, **{name: value for name, value in given.items() if value}, **changes)


def parse_changes(pairs: Iterable[str]) -> dict[str, str]:
    """["learning_rate=0.0002", ...] as a dict of fields to change. Raises InputError."""
    changes = {}
    for pair in pairs:
        field, equals, value = pair.partition("=")
        if not equals or not field.strip():
            raise InputError(f"{pair!r} is not of the form FIELD=VALUE; write for example learning_rate=0.0002.")
        if field.strip() in changes:
            raise InputError(f"{field.strip()} is given twice, as {changes[field.strip()]!r} and as {value.strip()!r}; leave one out.")
        changes[field.strip()] = value.strip()
    return changes


def _for_levels(base: dict[str, Any], resolutions: tuple[int, ...]) -> dict[str, Any]:
    """What a preset says level by level, carried over to other levels: shares by resolution, equal where it has none to say; of the rest
    what it says of the nearest.
    """
    known = dict(zip(base.get("resolutions", ()), base.get("level_shares", ()), strict=False))
    found: dict[str, Any] = {"level_shares": tuple(known[r] for r in resolutions) if set(resolutions) <= set(known) else ()}
    for name in ("batch_size", "detail"):
        if len(base.get(name, ())) > 1:
            said = dict(zip(base["resolutions"], base[name], strict=True))
            found[name] = tuple(said[min(said, key=lambda level, r=r: abs(level - r))] for r in resolutions)
    return found


def _check_levels(config: RunConfig) -> None:
    check_resolutions(config.resolutions)
    levels = len(config.resolutions)
    for name, otherwise in (("batch_size", 1), ("detail", 1), ("level_shares", 0)):
        count = len(getattr(config, name))
        if count not in (otherwise, levels):
            raise InputError(f"{name} has {count} values for {levels} levels; give one for all or one per level.")
    if min(config.batch_size) < 2:
        raise InputError(f"batch_size is {min(config.batch_size)}; batch normalisation needs 2 films or more.")
    if config.micro_batch == 1:
        raise InputError("micro_batch is 1; batch normalisation needs 2 films or more (0: the whole batch at once).")
    uneven = [size for size in config.batch_size if config.micro_batch and size % min(size, config.micro_batch)]
    if uneven:
        raise InputError(f"micro_batch is {config.micro_batch} and batch_size is {uneven[0]}; give a number that divides it.")
    if config.level_shares and min(config.level_shares) <= 0:
        raise InputError(f"level_shares holds {min(config.level_shares)}; every level needs a share above 0.")
    if not config.epochs and not config.minutes:
        raise InputError("epochs and minutes are both 0; set one of them to say how long to train.")


def _check_crops(config: RunConfig) -> None:
    cropped = [r for level, r in enumerate(config.resolutions) if config.on_crops(level)]
    if not cropped:
        return
    if config.growth != "preserve":
        raise InputError(f"crops_from is {config.crops_from} and growth is {config.growth}; crops need growth preserve, which keeps what lies below.")
    if cropped[0] == config.resolutions[0]:
        raise InputError(f"crops_from is {config.crops_from} and the first level is {cropped[0]}; add a level below, which is trained on films.")
    if cropped[0] < 128:
        raise InputError(f"crops_from is {config.crops_from} and the first level on crops is {cropped[0]}; it must be 128 or more.")
    for below, level in zip(config.resolutions, config.resolutions[1:], strict=False):
        if level in cropped and level != 2 * below:
            raise InputError(f"level {level} is on crops and the level below is {below}; there each must be twice the one before: add {level // 2}.")
    if config.crop & (config.crop - 1) or config.crop > cropped[0] // 2:
        raise InputError(f"crop is {config.crop}; give a power of two from 64 to {cropped[0] // 2}, half the first level on crops.")
