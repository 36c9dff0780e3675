"""Batches from a pyramid, in which some films are replaced by their higher-resolution twins.

"Incrementally the samples are modified by replacing 64 x 64 with few 128 x 128 images" (paper, section 4; it leaves open how many, and how fast).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from idcgan.crops import corners, cut_at
from idcgan.errors import InputError
from idcgan.fields import CHOICES
from idcgan.pyramid import Pyramid
from idcgan.tuning import sent

TRANSITIONS = CHOICES["transition"]
_BLOCK = 64  # rows at a time: they stay in the processor's cache, which halves the time


class MixedBatches:
    """The real films of one level, shuffled anew each epoch; every batch is a pure function of its step number.

    pyramid, resolution: the level to train. batch_size: 2 to the number of films.
    previous: the resolution that is being replaced, None at the first level.
    transition: replace (paper): some films of the batch at `resolution`, the others up-sampled from `previous`;
    fade (ProGAN): every film a blend of both; jump: all at `resolution` from the first step.
    part: (i, n), only the i-th of n equal parts of every batch is prepared, for one of n processes.
    crop: a crop of this side of each film instead of the film, at a place that is a function of (seed, resolution, step) too; 0: films.
    of: the places of the films that are shown; None: all.
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
        part: tuple[int, int] = (0, 1),
        crop: int = 0,
        of: np.ndarray | None = None,
    ):
        if transition not in TRANSITIONS:
            raise InputError(f"transition is {transition!r}: use one of {', '.join(TRANSITIONS)}.")
        self._of = np.arange(len(pyramid)) if of is None else of
        if not 2 <= batch_size <= len(self._of):
            raise InputError(f"batch_size is {batch_size}: set it from 2 to {len(self._of)}, the number of films.")
        if seed < 0:
            raise InputError(f"seed is {seed}: set a whole number of at least 0.")
        if previous is not None and previous >= resolution:
            raise InputError(f"previous is {previous}: it must be a lower level than {resolution}.")
        self.films = pyramid.level(resolution)
        self.lower = None if previous is None or transition == "jump" else pyramid.level(previous)
        self.resolution, self.batch_size, self.transition, self.seed = resolution, batch_size, transition, seed
        self.crop = crop
        share = batch_size // part[1]
        self._rows = range(part[0] * share, (part[0] + 1) * share)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in the films; the short last one is dropped: batch norm over two films (138 % 8) is noise."""
        return len(self._of) // self.batch_size

    def indices(self, step: int) -> np.ndarray:
        """The films that step 0, 1, ... shows, (batch_size,) int: a function of (seed, resolution, step) alone."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, self.resolution, epoch]).permutation(self._of)
        return order[place * self.batch_size : (place + 1) * self.batch_size]

    def batch(self, step: int, share: float = 1.0) -> tuple[np.ndarray, float]:
        """The films of one step, float32 (batch, channels, resolution, resolution) in [-1, 1], and the share replaced.

        share in [0, 1]: how far the transition is. replace: of B films the first floor(share * B + 1/2) show their twin
        (which ones is chance: the order is shuffled), and that number over B is returned. fade: `share` is the weight
        of the higher resolution, and returned. Without a previous level, or with jump: all films, and 1.
        Raises InputError for a share outside [0, 1].
        """
        chosen, twins, share, said = self.plan(step, share)
        if self.crop:
            out = np.empty((len(chosen), self.films.shape[1], self.crop, self.crop), np.float32)
            for i, (index, (rows, columns)) in enumerate(zip(chosen, self.windows(step), strict=True)):
                _to_tanh_range(self.films[index, :, rows, columns], out[i])
            return out, said
        out = np.empty((len(chosen), *self.films.shape[1:]), np.float32)
        for i, index in enumerate(chosen):
            if i < twins:
                _to_tanh_range(self.films[index], out[i])
                continue
            film, lower = self.films[index], self.lower[index]
            for channel in range(len(film)):
                if self.transition == "fade":
                    upsample(lower[channel], out[i, channel], film[channel], share)
                else:
                    upsample(lower[channel], out[i, channel])
        return out, said

    def windows(self, step: int) -> list[tuple[slice, slice]]:
        """Rows and columns of the crops of this part."""
        rng = np.random.default_rng([self.seed, self.resolution, step, 1])
        places = corners(rng, self.batch_size, self.resolution, self.crop)[self._rows.start : self._rows.stop]
        starts = places * (self.resolution // cut_at(self.resolution, self.crop))
        return [(slice(row, row + self.crop), slice(column, column + self.crop)) for row, column in starts.tolist()]

    def plan(self, step: int, share: float) -> tuple[np.ndarray, int, float, float]:
        """What `batch` shows: the films of this part, how many of them at full resolution, the weight of the twin, and the share to tell."""
        if not 0 <= share <= 1:
            raise InputError(f"share is {share}: set it from 0 to 1.")
        if self.lower is None:
            share = 1.0
        twins = int(share * self.batch_size + 0.5) if self.transition == "replace" else self.batch_size * (share == 1)
        chosen = self.indices(step)[self._rows.start : self._rows.stop]
        mine = min(max(twins - self._rows.start, 0), len(chosen))
        return chosen, mine, share, twins / self.batch_size if self.transition == "replace" else float(share)


class ResidentBatches:
    """The same batches from films that lie on the device as a whole: nothing is sent there in a step but the films' numbers.

    138 films at 2048 x 2048 and their twins at 1024 are 0.7 GB, kept as the bytes they are.
    """

    def __init__(self, batches: MixedBatches, device: torch.device) -> None:
        self._batches, self._device = batches, device
        self._films = torch.from_numpy(np.array(batches.films)).to(device)
        self._lower = None if batches.lower is None else torch.from_numpy(np.array(batches.lower)).to(device)

    @staticmethod
    def size(batches: MixedBatches) -> int:
        """Bytes on the device."""
        return batches.films.nbytes + (0 if batches.lower is None else batches.lower.nbytes)

    def batch(self, step: int, share: float = 1.0) -> tuple[Tensor, float]:
        """As `MixedBatches.batch`, a tensor on the device; what is up-sampled differs from it by rounding."""
        chosen, twins, weight, said = self._batches.plan(step, share)
        index = sent(torch.from_numpy(chosen), self._device)
        if self._batches.crop:
            crops = [self._films[i, :, rows, columns] for i, (rows, columns) in zip(chosen.tolist(), self._batches.windows(step), strict=True)]
            return torch.stack(crops).float().div_(127.5).sub_(1), said
        films = self._films[index].float().div_(127.5).sub_(1)
        if twins < len(chosen):
            lower = self._lower[index[twins:]].float().div_(127.5).sub_(1)
            lower = F.interpolate(lower, size=films.shape[-2:], mode="bilinear")
            films[twins:] = lower.lerp_(films[twins:], weight) if self._batches.transition == "fade" else lower
        return films, said


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
