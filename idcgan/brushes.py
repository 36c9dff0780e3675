"""What the parts of a phantom are painted with: soft edges, smooth curves, strokes and clouds on a turned grid.

Coordinates are fractions of the film's side: x runs from -0.5 to 0.5 with 0 on the spine, y from 0 (top) to 1.
"""

from __future__ import annotations

import numpy as np

# Outlines are sampled more finely than the pixels at 2048, so the nearest entry is good enough.
_ENTRIES, _FIRST, _SPAN = 6144, -0.6, 2.0
_AT = (_FIRST + _SPAN * np.arange(_ENTRIES) / _ENTRIES).astype(np.float32)


def edge(distance: np.ndarray, width: float) -> np.ndarray:
    """Soft step: 0 outside (distance < 0), 1 inside, 0.5 on the outline; `width` in the unit of `distance`."""
    step = distance * np.float32(1 / (3 * width))
    step += np.float32(0.5)
    np.clip(step, np.float32(0), np.float32(1), out=step)
    soft = step * np.float32(-2)  # in place from here: fresh memory costs more than the arithmetic
    soft += np.float32(3)
    soft *= step
    soft *= step
    return soft


def curve(points: list[tuple[float, float]], smooth: float = 0.03) -> np.ndarray:
    """Table of a smooth curve through about the (position, value) points; corners are rounded over `smooth`."""
    position, value = zip(*points, strict=True)
    table = np.interp(_AT, position, value)
    half = max(1, int(smooth / _SPAN * _ENTRIES / 2))
    for _ in range(2):  # twice a moving average: a triangle, so that slopes are continuous
        total = np.cumsum(np.pad(table, (half + 1, half), mode="edge"))
        table = (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)
    return table.astype(np.float32)


def entry(position: np.ndarray | float) -> np.ndarray:
    """Index into a curve's table of each position."""
    place = np.asarray(position, np.float32) - np.float32(_FIRST)
    place *= np.float32(_ENTRIES / _SPAN)
    return np.clip(place, np.float32(0), np.float32(_ENTRIES - 1)).astype(np.int32)


def slant(table: np.ndarray) -> np.ndarray:
    """Cosine that turns the distance along one axis into the distance from the curve."""
    slope = np.gradient(table, _SPAN / _ENTRIES, axis=-1)
    return (1 / np.sqrt(1 + slope**2)).astype(np.float32)


class Grid:
    """Pixel centres of a film turned by `rotation` degrees (clockwise as displayed), in the patient's coordinates."""

    def __init__(self, resolution: int, rotation: float, centre: float):
        self.resolution, self.pixel = resolution, 1 / resolution
        self.cos, self.sin = float(np.cos(np.radians(rotation))), float(np.sin(np.radians(rotation)))
        self.centre = centre
        along = (np.arange(resolution, dtype=np.float32) + 0.5) / resolution - 0.5
        c, s = np.float32(self.cos), np.float32(self.sin)
        self.x = (along * c)[None, :] + (along * s - np.float32(centre))[:, None]
        self.y = (along * -s)[None, :] + (along * c + np.float32(0.5))[:, None]

    def on_film(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The patient's (x, y) as (column, row) fractions of the displayed film, 0 to 1."""
        x, y = np.asarray(x) + self.centre, np.asarray(y) - 0.5
        return self.cos * x - self.sin * y + 0.5, self.sin * x + self.cos * y + 0.5

    def in_patient(self, column: float, row: float) -> tuple[float, float]:
        """The inverse of `on_film`."""
        column, row = column - 0.5, row - 0.5
        return self.cos * column + self.sin * row - self.centre, self.cos * row - self.sin * column + 0.5

    def window(self, x0: float, x1: float, y0: float, y1: float) -> tuple[slice, slice]:
        """The smallest block of pixels that holds the patient's box; parts are painted only where they are."""
        size, c, n = self.resolution, self.cos, self.sin
        x0, x1, y0, y1 = x0 + self.centre, x1 + self.centre, y0 - 0.5, y1 - 0.5
        columns = (c * x0 - n * y0, c * x1 - n * y0, c * x0 - n * y1, c * x1 - n * y1)
        rows = (n * x0 + c * y0, n * x1 + c * y0, n * x0 + c * y1, n * x1 + c * y1)
        left, right = (max(0, min(size, int((v + 0.5) * size))) for v in (min(columns), max(columns) + 1 / size))
        upper, lower = (max(0, min(size, int((v + 0.5) * size))) for v in (min(rows), max(rows) + 1 / size))
        return slice(upper, lower), slice(left, right)


def strokes(out: np.ndarray, grid: Grid, parts: np.ndarray) -> None:
    """Paint soft strokes, rows of (x0, y0, x1, y1, width, peak) with a Gaussian profile, into the contiguous `out`.

    The larger value wins at each pixel; adding would make joints shine. Strokes of like size are painted together:
    one by one, calls would cost more than pixels.
    """
    size = grid.resolution
    ends = [(size * v).astype(np.float32) for at in (0, 2) for v in grid.on_film(parts[:, at], parts[:, at + 1])]
    width = np.maximum(parts[:, 4] * size, 0.6)  # thinner than a pixel: as wide as a pixel and fainter
    peak = parts[:, 5] * parts[:, 4] * size / width
    order = np.argsort(np.abs(ends[0] - ends[2]) + np.abs(ends[1] - ends[3]) + 4 * width)
    flat, start = out.reshape(-1), 0
    while start < len(order):
        few = order[start : start + max(1, 8192 // size)]  # some hundred thousand pixels at a time
        start += len(few)
        x0, y0, x1, y1, w, top = (v[few].astype(np.float32)[:, None, None] for v in (*ends, width, peak))
        left, upper = np.floor(np.minimum(x0, x1) - 2.2 * w), np.floor(np.minimum(y0, y1) - 2.2 * w)
        wide, high = (np.abs(a - b) + 4.4 * w for a, b in ((x0, x1), (y0, y1)))
        columns = left + np.arange(int(wide.max()) + 2, dtype=np.float32)[None, None, :]
        rows = upper + np.arange(int(high.max()) + 2, dtype=np.float32)[None, :, None]
        x, y, dx, dy = columns + 0.5 - x0, rows + 0.5 - y0, x1 - x0, y1 - y0
        scale = 1 / (dx * dx + dy * dy + np.float32(1e-6))
        along = x * (dx * scale) + y * (dy * scale)
        np.minimum(np.maximum(along, 0, out=along), 1, out=along)
        far = np.square(x - along * dx)
        far += np.square(y - along * dy)
        far *= -1 / (w * w)
        value = np.exp(far, out=far)
        value *= top * ((columns >= 0) & (columns < size)) * ((rows >= 0) & (rows < size))
        where = np.clip(rows, 0, size - 1).astype(np.int64) * size + np.clip(columns, 0, size - 1).astype(np.int64)
        np.maximum.at(flat, where.ravel(), value.ravel())


def cloud(resolution: int, cells: int, seed: int) -> np.ndarray:
    """Smooth random field of about unit variance, `cells` blobs across; the same field at every resolution."""
    lattice = np.random.default_rng([seed, cells]).standard_normal((cells + 3, cells + 3), np.float32)
    position = (np.arange(resolution, dtype=np.float32) + 0.5) * np.float32(cells / resolution) + 1
    first = position.astype(np.int32)
    t = position - first
    spline = (
        (1 - t) ** 3,
        4 + (3 * t - 6) * t * t,
        1 + ((3 - 3 * t) * t + 3) * t,
        t * t * t,
    )  # cubic B-spline, times 6
    weights = np.zeros((resolution, cells + 3), np.float32)
    for step, weight in enumerate(spline):
        weights[np.arange(resolution), first - 1 + step] = weight / 6
    return weights @ lattice @ weights.T * np.float32(2.1)
