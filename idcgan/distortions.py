"""Phantom films changed on purpose: what every measure is tried on before its figures are believed, because the truth is known.

A distortion takes honest films and an amount, and hands out a set in the place of a generator's: blurred ones, copies of the
training films, films with a kind left out. What is wrong with that set, and nothing else, is then no matter of opinion.
"""

from __future__ import annotations

import functools
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .errors import InputError
from .films import resize
from .filmset import Item, blurred, changed_items
from .intake import Planes
from .phantom import draw_factors, film

ELBOWS = (-0.02, 0.25)  # from where to where phantom.draw_factors draws `arm_gap`, evenly: how far the elbows stand off the body
KEPT_KINDS = 2  # films that a collapsed generator still makes


# ---- honest films ----------------------------------------------------------------------------------------------------


def own_seed(seed: int, number: int) -> int:
    """The seed of film `number` of a set, as phantom.films has it."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def phantom_items(seeds: list[int], label_class: str = "normal", resolution: int = 64) -> list[Item]:
    """Films of these seeds, drawn when they are asked for."""

    def draw(seed: int) -> Planes:
        pixels = np.rint(film(seed, label_class, resolution)[0] * 255).astype(np.uint8)
        return Planes(resolution, resolution, resolution, [pixels])

    return [Item(f"{label_class} {s}", f"{label_class} {s} {resolution}", lambda s=s: draw(s)) for s in seeds]


@dataclass(frozen=True)
class HonestFilms:
    """Phantom films in sets of `count` that share none: for a generator to learn from, held out, and new ones, as a perfect generator's would be."""

    count: int = 40
    resolution: int = 64

    def drawn(self, seed: int, label_class: str = "normal") -> list[Item]:
        """`count` films of a seed."""
        return phantom_items([own_seed(seed, i) for i in range(self.count)], label_class, self.resolution)

    @functools.cached_property
    def training(self) -> list[Item]:
        """What a generator would learn from."""
        return self.drawn(0)

    @functools.cached_property
    def held_out(self) -> list[Item]:
        """What no generator has seen."""
        return self.drawn(11)

    @functools.cached_property
    def fresh(self) -> list[Item]:
        """What a perfect generator would make: new films of the same kind."""
        return self.drawn(2)


# ---- what is done to a set of films ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Distortion:
    """One thing that is wrong. `amounts` are in words of `unit`, from little to much; `usual` is the one that tables show."""

    name: str
    truth: str  # what is known to be wrong, in a sentence
    unit: str
    amounts: tuple[float, ...]
    usual: float
    make: Callable[[HonestFilms, float], list[Item]]

    def items(self, films: HonestFilms, amount: float | None = None) -> list[Item]:
        """The set: `films.count` films. Raises InputError for an amount that is none of `amounts`."""
        amount = self.usual if amount is None else amount
        if amount not in self.amounts:
            raise InputError(f"{self.name} by {amount!r} {self.unit}; choose one of {', '.join(f'{a:g}' for a in self.amounts)}.")
        return self.make(films, amount)


def kind_dropped(films: HonestFilms, share: float) -> list[Item]:
    """New films without those whose elbows lie near the body: that share of all chests."""
    nearest = ELBOWS[0] + share * (ELBOWS[1] - ELBOWS[0])
    seeds = (own_seed(3, i) for i in itertools.count())
    return phantom_items(list(itertools.islice((s for s in seeds if draw_factors(s).arm_gap > nearest), films.count)), "normal", films.resolution)


def collapsed(films: HonestFilms, share: float) -> list[Item]:
    """New films, of which that share is KEPT_KINDS films over and over, each time a little moved."""
    again = round(share * films.count)
    same = [changed_items([films.fresh[i % KEPT_KINDS]], f"again {i}", lambda p, i=i: near_copy(p, 1 + i))[0] for i in range(again)]
    return same + films.fresh[again:]


def copied(films: HonestFilms, share: float) -> list[Item]:
    """New films, of which that share is near-copies of training films."""
    count = round(share * films.count)
    return changed_items(films.training[:count], "near copy", near_copy) + films.fresh[count:]


def of_the_other_class(films: HonestFilms, share: float) -> list[Item]:
    """Normal films, of which that share is abnormal ones."""
    count = round(share * films.count)
    return films.drawn(2, "abnormal")[:count] + films.fresh[count:]


def on_each(name: str, change: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[HonestFilms, float], list[Item]]:
    """A change of pixels, uint8 (r, r) and amount to uint8 (r, r), done to every new film."""
    return lambda films, amount: changed_items(films.fresh, f"{name} {amount:g}", lambda pixels: change(pixels, amount))


# ---- what is done to one film ----------------------------------------------------------------------------------------


def near_copy(pixels: np.ndarray, again: int = 0) -> np.ndarray:
    """Moved by up to four pixels and a little flatter or steeper: what a generator that remembers would make. `again`: another such copy."""
    rng, side = np.random.default_rng(int(pixels.sum(dtype=np.int64)) + again), len(pixels)
    top, left = rng.integers(0, 9, 2)
    moved = np.pad(pixels, 4, mode="edge")[top : top + side, left : left + side].astype(float)
    return _grey((moved - moved.mean()) * rng.uniform(0.92, 1.08) + moved.mean())


def grid(pixels: np.ndarray, levels: float = 1) -> np.ndarray:
    """A checkerboard with squares of two pixels, `levels` brighter and darker: what strided layers leave."""
    rows, columns = np.indices(pixels.shape) // 2 % 2
    return _grey(pixels + np.where(rows == columns, levels, -levels))


def brighter(pixels: np.ndarray, levels: float) -> np.ndarray:
    """Another exposure: every pixel so many grey levels of 255 brighter; what is white stays white."""
    return _grey(pixels.astype(float) + levels)


def noisy(pixels: np.ndarray, levels: float) -> np.ndarray:
    """Gaussian noise of that standard deviation, another one on each film."""
    return _grey(pixels + np.random.default_rng(int(pixels.sum(dtype=np.int64))).normal(0, levels, pixels.shape))


def jpeg(pixels: np.ndarray, quality: int = 75) -> np.ndarray:
    """Packed and unpacked: what a collection on the web has been through."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def fewer_levels(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Of 256 grey levels 2 ** bits are left, evenly spread."""
    steps = 2**bits - 1
    return _grey(np.rint(pixels / 255 * steps) * (255 / steps))


def shrunk(pixels: np.ndarray, resolution: int, filtered: bool = True) -> np.ndarray:
    """(r, r) to (resolution, resolution): with the filter that the pyramid uses, or by leaving pixels out, which folds fine detail into moire."""
    if not filtered:
        step = len(pixels) // resolution
        return pixels[::step, ::step].copy()
    return _grey(resize(pixels.astype(np.float32) / 255, resolution) * 255)


def _grey(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


DISTORTIONS: dict[str, Distortion] = {
    d.name: d
    for d in (
        Distortion("as they are", "Nothing: new films of the same kind.", "", (0.0,), 0.0, lambda films, _: films.fresh),
        Distortion("kind dropped", "Chests with elbows near the body are missing.", "of all kinds", (0.1, 0.25, 0.5, 0.75, 0.9), 0.75, kind_dropped),
        Distortion("collapsed", "Two films over and over, a little moved.", "of the films", (0.1, 0.25, 0.5, 0.75, 1.0), 0.5, collapsed),
        Distortion("copied", "Training films, a little moved.", "of the films", (0.1, 0.2, 0.3, 0.5, 1.0), 0.3, copied),
        Distortion("blurred", "Fine detail is lost.", "pixels", (0.5, 0.75, 1.0, 2.0, 4.0), 1.0, on_each("blurred", lambda p, s: blurred(p, 2 * s))),
        Distortion("brighter", "The exposure is off.", "grey levels", (2.0, 6.0, 14.0, 24.0, 40.0), 14.0, on_each("brighter", brighter)),
        Distortion("grid", "A checkerboard lies over them.", "grey levels", (1.0, 2.0, 4.0, 8.0, 16.0), 2.0, on_each("grid", grid)),
        Distortion("noisy", "Grain that real films do not have.", "grey levels", (1.0, 2.0, 4.0, 8.0, 16.0), 4.0, on_each("noisy", noisy)),
        Distortion("other class", "Abnormal films.", "of the films", (0.1, 0.25, 0.5, 0.75, 1.0), 1.0, of_the_other_class),
    )
}
