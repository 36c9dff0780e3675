"""Batches from a pyramid, in which some films are replaced by their higher-resolution twins.

"64 x 64 images are replaced by a few 128 x 128 images" (paper, section 4; it leaves open how many, and how fast).
"""

from __future__ import annotations

import numpy as np

from idcgan.errors import InputError
from idcgan.pyramid import Pyramid

TRANSITIONS = ("replace", "fade", "jump")
_BLOCK = 64  # rows at a time: they stay in the processor's cache, which halves the time


class MixedBatches:
    """The real films of one level, shuffled anew each epoch; every batch is a pure function of its step number.

    pyramid, resolution: the level to train. batch_size: 2 to the number of films.
    previous: the resolution that is being replaced, None at the first level.
    transition: replace (paper): some films of the batch at `resolution`, the others up-sampled from `previous`;
    fade (ProGAN): every film a blend of both; jump: all at `resolution` from the first step.
    Raises InputError for a value that does not fit, naming it.
    """

    def __init__(
        self,
        pyramid: Pyramid,
        resolution: int,
        batch_size: int,
        previous: int | None,
        transition: str = "replace",
        seed: int = 0,
    ):
        if transition not in TRANSITIONS:
            raise InputError(f"transition is {transition!r}: use one of {', '.join(TRANSITIONS)}.")
        if not 2 <= batch_size <= len(pyramid):
            raise InputError(f"batch_size is {batch_size}: set it from 2 to {len(pyramid)}, the number of films.")
        if seed < 0:
            raise InputError(f"seed is {seed}: set a whole number of at least 0.")
        if previous is not None and previous >= resolution:
            raise InputError(f"previous is {previous}: it must be a lower level than {resolution}.")
        self._films = pyramid.level(resolution)
        self._lower = None if previous is None or transition == "jump" else pyramid.level(previous)
        self.resolution, self.batch_size, self.transition, self.seed = resolution, batch_size, transition, seed

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the films; the short last one is dropped: batch norm over two films (138 % 8) is noise."""
        return len(self._films) // self.batch_size

    def indices(self, step: int) -> np.ndarray:
        """The films that step 0, 1, ... shows, (batch_size,) int: a function of (seed, resolution, step) alone."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, self.resolution, epoch]).permutation(len(self._films))
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def batch(self, step: int, share: float = 1.0) -> tuple[np.ndarray, float]:
        """The films of one step, float32 (batch, channels, resolution, resolution) in [-1, 1], and the share replaced.

        share in [0, 1]: how far the transition is. replace: of B films the first floor(share * B + 1/2) show their twin
        (which ones is chance: the order is shuffled), and that number over B is returned. fade: `share` is the weight
        of the higher resolution, and returned. Without a previous level, or with jump: all films, and 1.
        Raises InputError for a share outside [0, 1].
        """
        if not 0 <= share <= 1:
            raise InputError(f"share is {share}: set it from 0 to 1.")
        chosen, size = self.indices(step), self.batch_size
        out = np.empty((size, *self._films.shape[1:]), np.float32)
        if self._lower is None:
            share = 1.0
        twins = int(share * size + 0.5) if self.transition == "replace" else size * (share == 1)
        for i in range(twins):
            _to_tanh_range(self._films[chosen[i]], out[i])
        for i in range(twins, size):
            film, lower = self._films[chosen[i]], self._lower[chosen[i]]
            for channel in range(len(film)):
                if self.transition == "fade":
                    upsample(lower[channel], out[i, channel], film[channel], share)
                else:
                    upsample(lower[channel], out[i, channel])
        return out, twins / size if self.transition == "replace" else float(share)


def _to_tanh_range(film: np.ndarray, out: np.ndarray) -> None:
    """uint8 0..255 -> float32 -1..1, the range of the generator's Tanh (Radford et al. 2015)."""
    np.multiply(film, np.float32(1 / 127.5), out=out)
    out -= np.float32(1)


def upsample(film: np.ndarray, out: np.ndarray, twin: np.ndarray | None = None, share: float = 0.0) -> None:
    """uint8 (n, n) -> float32 (n f, n f) in [-1, 1], written into `out`: bilinear, pixel centres kept, edges repeated.

    With a twin, uint8 (n f, n f), the result is share * twin + (1 - share) * film.
    The two weights of a bilinear step are whole numbers over 2 f, so the sums are exact integers until the last
    scaling: three times as fast as floating point, and no rounding to 8 bits between.
    """
    n = film.shape[0]
    factor = out.shape[0] // n
    whole = np.uint16 if factor <= 8 else np.uint32  # (2 f)^2 x 255 must fit
    padded = np.pad(film, 1, mode="edge").astype(whole)
    scale = np.float32((1 - share) / (127.5 * (2 * factor) ** 2))
    for top in range(0, n, _BLOCK):
        rows = padded[top : top + _BLOCK + 2]
        wide = np.empty((len(rows), n * factor), whole)
        for phase in range(factor):
            wide[:, phase::factor] = _between(rows.T, phase, factor, whole).T
        here = slice(top * factor, (top + len(rows) - 2) * factor)
        block = out[here]
        for phase in range(factor):
            np.multiply(_between(wide, phase, factor, whole), scale, out=block[phase::factor])
        if twin is not None:
            block += np.multiply(twin[here], np.float32(share / 127.5), dtype=np.float32)
        block -= np.float32(1)


def _between(lines: np.ndarray, phase: int, factor: int, whole: type) -> np.ndarray:
    """Each inner line, moved by `phase` of `factor` towards its neighbour before or after, times 2 * factor."""
    offset = 2 * phase + 1 - factor
    near = lines[1:-1] * whole(2 * factor - abs(offset))
    near += (lines[2:] if offset > 0 else lines[:-2]) * whole(abs(offset))
    return near
