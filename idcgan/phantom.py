"""Procedural frontal chest films, normal and abnormal, at any resolution, with known factors: data without a download.

A film is a sum of log-attenuations (body, minus lungs, plus heart, vessels, bones, findings), seen through a film's
characteristic curve, with detector noise, cropped by a collimator. Nothing here comes from a real film.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .anatomy import attenuation
from .brushes import Grid, edge
from .errors import InputError

LABEL_CLASSES = ("normal", "abnormal")
KINDS = ("nodule", "consolidation", "effusion", "cardiomegaly")


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where.

    `kind` is one of KINDS; (x, y) is its centre from the film's top left corner, as displayed; `size` is a radius
    (for an effusion its height at the wall, for cardiomegaly the heart's width): all fractions of the film's side.
    `strength` is a log-attenuation; for an effusion the share of lung it replaces; for cardiomegaly unused, since the
    heart is drawn from `Factors.heart_width`. Raises InputError for an unknown kind.
    """

    kind: str
    x: float
    y: float
    size: float
    strength: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"kind is {self.kind!r}; choose one of {', '.join(KINDS)}.")


@dataclass(frozen=True)
class Factors:
    """Everything that decides a film but its noise. Plain values, JSON-able; lengths are fractions of the film's side.

    "Left" and "right" in field names and comments are the viewer's. The collimator and the marker's place lie on the film as
    displayed; the rest, the marker's letter too, belongs to the patient, whom `rotation` turns about the film's middle.
    """

    label_class: str = "normal"
    heart_width: float = 0.29
    thorax_width: float = 0.66
    lung_top: float = 0.10
    lung_height: float = 0.66  # apex to the top of the left dome
    lung_opacity: float = 0.1  # 0 clear, 1 as dense as soft tissue
    dome_difference: float = 0.02  # how much lower the right dome is, above the stomach
    sulcus_depth: float = 0.12  # dome to costophrenic angle
    aortic_knob: float = 0.02
    mediastinum: float = 1.0  # relative width above the heart
    body_width: float = 0.45  # half the trunk
    body_thickness: float = 1.0
    arm_gap: float = 0.12  # how far the elbows stand off
    breast: float = 0.0  # 0 none, 1 dense
    stomach_gas: float = 0.6
    rib_count: int = 9
    rib_slope: float = 0.25  # drop per unit of run of the ribs at the back
    rib_strength: float = 1.0
    vessel_strength: float = 1.0
    centre: float = 0.0  # the spine's offset to the viewer's right
    rotation: float = 0.0  # degrees, clockwise as displayed
    exposure: float = 1.0  # relative; more is darker
    contrast: float = 1.0
    collimation: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # black border left, right, top, bottom
    collimation_angle: float = 0.0  # degrees
    marker: tuple[float, float] | None = (0.93, 0.06)  # place of the side marker, None without
    grain: int = 0  # seed of vessel branching and mottle
    findings: tuple[Finding, ...] = ()

    @property
    def cardiothoracic_ratio(self) -> float:
        """Heart width over thorax width; above 0.5 is enlarged."""
        return self.heart_width / self.thorax_width


def _whole(name: str, value: int, low: int, high: int | None = None) -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        span = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise InputError(f"{name} is {value!r}; give a whole number {span}.")
    return number


def _known(label_class: str) -> None:
    if label_class not in LABEL_CLASSES:
        raise InputError(f"label_class is {label_class!r}; choose one of {', '.join(LABEL_CLASSES)}.")


def draw_factors(seed: int, label_class: str = "normal") -> Factors:
    """Random factors, a pure function of (seed, label_class).

    Normal: no findings, cardiothoracic ratio below 0.5. Abnormal: one to three findings. Raises InputError for a
    negative seed or an unknown label_class.
    """
    seed = _whole("seed", seed, 0)
    _known(label_class)
    rng = np.random.default_rng([seed, LABEL_CLASSES.index(label_class), 1])

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def around(mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(rng.normal(mean, spread), low, high))

    height = around(0.64, 0.065, 0.46, 0.80)
    thorax = around(0.70, 0.05, 0.56, 0.84)
    borders = tuple(between(0, 0.06) if rng.random() < 0.2 else 0.0 for _ in range(4))
    chest = Factors(
        label_class=label_class,
        thorax_width=thorax,
        heart_width=thorax * around(0.44, 0.028, 0.37, 0.485),
        lung_top=around(0.10, 0.04, 0.02, 0.22),
        lung_height=height,
        lung_opacity=around(0.13, 0.09, 0.0, 0.38),
        dome_difference=between(0.008, 0.03),
        sulcus_depth=between(0.09, 0.15),
        aortic_knob=between(0.006, 0.03),
        mediastinum=around(1.1, 0.15, 0.8, 1.5),
        body_width=thorax / 2 + between(0.06, 0.16),
        body_thickness=around(1.0, 0.07, 0.85, 1.2),
        arm_gap=between(-0.02, 0.25),
        breast=between(0.2, 1.0) if rng.random() < 0.45 else 0.0,
        stomach_gas=between(0.2, 1.0) if rng.random() < 0.7 else 0.0,
        rib_count=int(np.clip(height / between(0.064, 0.080), 7, 11)),
        rib_slope=around(0.25, 0.07, 0.1, 0.42),
        rib_strength=between(0.6, 1.15),
        vessel_strength=between(0.75, 1.25),
        centre=around(0.0, 0.02, -0.05, 0.05),
        rotation=around(0.0, 1.6, -5.0, 5.0),
        exposure=around(1.0, 0.12, 0.75, 1.35),
        contrast=around(1.0, 0.12, 0.7, 1.3),
        collimation=borders,
        collimation_angle=around(0.0, 0.7, -2.0, 2.0),
        marker=(between(0.88, 0.96), between(0.03, 0.12)) if rng.random() < 0.6 else None,
        grain=int(rng.integers(2**31)),
    )
    return chest if label_class == "normal" else _with_findings(chest, rng)


def _with_findings(f: Factors, rng: np.random.Generator) -> Factors:
    """The same chest with one to three findings, of different kinds except that nodules may repeat."""
    grid, half = Grid(1, f.rotation, f.centre), f.thorax_width / 2
    kinds = sorted(rng.permutation(KINDS)[: int(rng.integers(1, 4))].tolist())  # cardiomegaly first: it moves borders
    if kinds == ["nodule"]:
        kinds *= int(rng.integers(1, 4))
    findings = []
    for kind in kinds:
        side = -1.0 if rng.random() < 0.5 else 1.0
        base = f.lung_top + f.lung_height + (f.dome_difference if side > 0 else 0)
        if kind == "cardiomegaly":
            f = replace(f, heart_width=f.thorax_width * float(rng.uniform(0.56, 0.66)))
            x, y, size, strength = 0.19 * f.heart_width, f.lung_top + 0.8 * f.lung_height, f.heart_width, 1.0
        elif kind == "effusion":
            size, strength = float(rng.uniform(0.1, 0.3)), float(rng.uniform(0.75, 1.0))
            x, y = side * 0.85 * half, base + f.sulcus_depth - size / 2
        else:
            low, high = (0.013, 0.035) if kind == "nodule" else (0.06, 0.13)
            size, strength = float(rng.uniform(low, high)), float(rng.uniform(0.35, 0.7))
            down = rng.uniform(0.22, 0.42 if f.cardiothoracic_ratio > 0.5 else 0.78)
            inner = 0.30 if side < 0 or down < 0.45 else 0.60  # beside the heart, not behind it
            x = side * half * rng.uniform(inner, 0.62 + 0.2 * min(down, 0.5))
            y = f.lung_top + f.lung_height * down
        column, row = grid.on_film(x, y)
        findings.append(Finding(kind, float(column), float(row), size, strength))
    return replace(f, label_class="abnormal", findings=tuple(findings))


def render(factors: Factors, resolution: int = 256, seed: int = 0) -> np.ndarray:
    """The film of these factors: (resolution, resolution) float32 in [0, 1], dense parts bright.

    `resolution` is 16 to 2048 pixels a side, `seed` decides the detector's noise only: the anatomy is the same at every
    resolution, and noise grows with it, as it does when less of the detector feeds a pixel. Raises InputError.
    """
    resolution, seed = _whole("resolution", resolution, 16, 2048), _whole("seed", seed, 0)
    fold = max(1, -(-192 // resolution))  # small films are averaged down, or thin parts would alias
    grid = Grid(resolution * fold, factors.rotation, factors.centre)
    dense = attenuation(factors, grid)
    if fold > 1:
        dense = dense.reshape(resolution, fold, resolution, fold).mean((1, 3))
    rng = np.random.default_rng([seed, resolution])
    quanta = np.exp(dense * np.float32(0.4)) * np.float32(0.05 * resolution / 2048)  # fewer photons behind dense parts
    dense += quanta * rng.standard_normal(dense.shape, np.float32)
    film = _curve(dense, factors)
    _collimate(film, factors)
    return np.clip(film, 0, 1, out=film)


def _curve(dense: np.ndarray, f: Factors) -> np.ndarray:
    """Log-attenuation to grey: a foot at black, a long straight part, a shoulder where dense parts crowd."""
    seen = dense * np.float32(f.contrast) - np.float32(np.log(f.exposure) + 0.05)
    seen = 0.5 * (seen + np.sqrt(seen * seen + np.float32(0.04)))
    return 1 - np.exp(seen * np.float32(-0.76))


def _collimate(film: np.ndarray, f: Factors) -> None:
    left, right, top, bottom = f.collimation
    if not any(f.collimation):
        return
    grid, wide = Grid(len(film), f.collimation_angle, 0.0), np.float32(9)
    inside = np.full_like(film, wide)
    for border, distance in ((left, grid.x + 0.5), (right, 0.5 - grid.x), (top, grid.y), (bottom, 1 - grid.y)):
        if border > 0:
            np.minimum(inside, distance - np.float32(border), out=inside)
    film *= 0.02 + 0.98 * edge(inside, max(0.0015, 0.5 * grid.pixel))


def film(seed: int, label_class: str = "normal", resolution: int = 256) -> tuple[np.ndarray, Factors]:
    """One film, as from `render`, and its factors, as from `draw_factors`: a pure function of the arguments."""
    factors = draw_factors(seed, label_class)
    return render(factors, resolution, seed), factors


def films(
    count: int, label_class: str = "normal", resolution: int = 256, seed: int = 0
) -> Iterator[tuple[np.ndarray, Factors]]:
    """`count` films with their factors. Film i depends on (seed, i), not on `count`. Raises InputError at once."""
    count, seed = _whole("count", count, 0), _whole("seed", seed, 0)
    _whole("resolution", resolution, 16, 2048)
    _known(label_class)
    own = (int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) for i in range(count))
    return (film(one, label_class, resolution) for one in own)
