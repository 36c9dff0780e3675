"""The bones of a phantom, added to the log-attenuation that `anatomy.py` paints: ribs, spine, clavicles, arms, shoulder blades."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .brushes import Grid, edge, entry

if TYPE_CHECKING:
    from .phantom import Factors


def add_ribs(out: np.ndarray, grid: Grid, f: Factors, wall: np.ndarray) -> None:
    """A rib is a sheared half-ring: its upper arc runs from the spine outwards, the lower one returns in front."""
    spacing = f.lung_height / (f.rib_count - 0.5)
    for number in range(f.rib_count + 1):
        level = f.lung_top + 0.10 + spacing * number  # where the rib turns at the wall
        for side in (0, 1):
            outer = float(wall[side, entry(level)]) * 1.012 + 0.002
            _rib(out, grid, f, level, outer, 2 * side - 1, number)


def _rib(out: np.ndarray, grid: Grid, f: Factors, level: float, outer: float, sign: int, number: int) -> None:
    inner = 0.03
    across, slope = outer - inner, f.rib_slope * (0.6 + 0.55 * min(number, 6) / 6)
    behind, front = 0.055 + 0.09 * across, 0.085 + 0.17 * across  # heights of the upper and the lower arc
    half = 0.0095 if number else 0.0085
    where = grid.window(
        *sorted((sign * inner, sign * (outer + 2 * half))), level - behind - slope * across - 2 * half, level + front
    )
    x = grid.x[where] * np.float32(sign)
    x -= np.float32(inner)
    if not x.size:
        return
    y = grid.y[where] - np.float32(slope) * x
    y -= np.float32(level - slope * across)
    stretch = np.where(y > 0, np.float32(1 / front), np.float32(1 / behind))
    ring = np.square(y * stretch)
    ring += np.square(x * np.float32(1 / across))
    near = np.abs(ring - 1) < 3 * half / behind  # the rest of the box is empty
    few = np.flatnonzero(near)
    x, y, stretch, ring = x.take(few), y.take(few), stretch.take(few), np.sqrt(ring.take(few))
    u, v = x * np.float32(1 / across**2), y * stretch * stretch  # the ring's gradient, before the shear
    distance = (ring - 1) * ring / (np.sqrt(np.square(u - v * np.float32(slope)) + v * v) + np.float32(1e-3))
    ahead = y > 0
    rel = np.abs(distance) / np.where(ahead, np.float32(1.25 * half), np.float32(half))
    body = edge(1 - rel, max(0.22, 0.5 * grid.pixel / half))
    body *= 0.62 + 0.38 * np.minimum(rel * rel, 1)  # a tube of cortical bone: brighter at its edges
    forward = 0.5 * edge(x - np.float32(0.42 * across), 0.08 * across)  # cartilage near the breast bone does not show
    body *= np.where(
        ahead,
        forward + (1 - forward) * np.maximum(1 - y * np.float32(6 / front), 0),
        edge(x - np.float32(0.006), 0.008),
    )
    out[where][near] += body


def spine(dense: np.ndarray, grid: Grid, f: Factors) -> None:
    """Vertebrae with pedicles and spinous processes, added to `dense`."""
    where = grid.window(-0.08, 0.08, -0.2, 1.2)
    x, y = grid.x[where], grid.y[where]
    size = np.float32(0.052) + np.float32(0.022) * y  # vertebrae grow downwards
    phase = np.log1p(np.float32(0.022 / 0.052) * y) * np.float32(2 * np.pi / 0.022)
    beat = np.cos(phase)
    body = edge(np.float32(0.55) * size - np.abs(x) - np.float32(0.002) * beat, 0.007)
    strength = 0.12 + 0.14 * np.clip(y - np.float32(f.lung_top), 0, 1)
    dense[where] += strength * body * (1 + 0.20 * edge(0.75 - np.abs(beat + 0.1), 0.2) - 0.22 * edge(-beat - 0.72, 0.1))
    for side in (-1, 1):  # pedicles
        u = (x - side * 0.42 * size) / (0.14 * size)
        dense[where] += 0.05 * np.exp(-u * u) * np.clip(beat, 0, 1) ** 2
    u = x / (0.10 * size)
    dense[where] += 0.06 * np.exp(-u * u) * np.clip(-beat, 0, 1) ** 2  # spinous processes


def shoulders(dense: np.ndarray, grid: Grid, f: Factors) -> None:
    """Clavicles, upper arms and shoulder blades, added to `dense`."""
    for sign in (-1, 1):
        _clavicle(dense, grid, f, sign)
        _humerus(dense, grid, f, sign)
        _blade(dense, grid, f, sign)


def _clavicle(dense: np.ndarray, grid: Grid, f: Factors, sign: int) -> None:
    where = grid.window(*sorted((sign * 0.02, sign * 0.46)), f.lung_top - 0.06, f.lung_top + 0.14)
    run = grid.x[where] * np.float32(sign / 0.36) - np.float32(0.03 / 0.36)  # 0 at the breast bone, 1 at the shoulder
    line = f.lung_top + 0.088 - 0.09 * run - 0.012 * np.sin(run * np.float32(2 * np.pi))
    thick = 0.0105 + 0.006 * np.square(2 * run - 1)
    off = (grid.y[where] - line) / thick
    bone = edge(1 - np.abs(off), 0.2) * (0.65 + 0.35 * np.minimum(off * off, 1))
    dense[where] += 0.20 * bone * edge(run, 0.02) * edge(1 - run, 0.04)


def _humerus(dense: np.ndarray, grid: Grid, f: Factors, sign: int) -> None:
    centre, level = f.thorax_width / 2 + 0.105, f.lung_top + 0.095
    where = grid.window(*sorted((sign * (centre - 0.08), sign * 0.75)), level - 0.09, level + 0.42)
    x, y = grid.x[where] * np.float32(sign) - np.float32(centre), grid.y[where] - np.float32(level)
    shaft = np.minimum(0.024 - np.abs(x - 0.012 - 0.16 * y), y)
    inside = np.maximum(0.050 - np.sqrt(x * x + y * y), shaft)
    bone = edge(inside, 0.005) * edge(0.34 - y, 0.03)
    cortex = np.exp(np.square(inside - 0.006) * np.float32(-1 / 0.007**2))
    dense[where] += bone * (0.26 + 0.10 * cortex)


def _blade(dense: np.ndarray, grid: Grid, f: Factors, sign: int) -> None:
    """Shoulder blade, a triangle of which mostly the rim shows."""
    half, level = f.thorax_width / 2, f.lung_top + 0.05
    where = grid.window(*sorted((sign * (half - 0.08), sign * (half + 0.14))), level - 0.03, level + 0.31)
    x, y = grid.x[where] * np.float32(sign) - np.float32(half), grid.y[where] - np.float32(level)
    rim = x + 0.045 - 0.05 * np.sin(np.clip(y, 0, 0.3) * 9)
    inside = np.minimum(np.minimum(rim, y * 0.8 + 0.02), 0.085 - x - 0.37 * y)
    dense[where] += 0.055 * edge(inside, 0.006) + 0.07 * np.exp(-np.square(inside * np.float32(1 / 0.006)))
