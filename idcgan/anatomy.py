"""The parts of a chest as log-attenuation, painted on any grid: `phantom.py` decides how much, this module draws.

Coordinates are fractions of the film's side: x runs from -0.5 to 0.5 with 0 on the spine, y from 0 (top) to 1.
Outlines are tables of one variable (half a width at each y, the diaphragm's height at each x), so that a lung costs
three look-ups per pixel. Amounts are log-attenuation: soft tissue about 1.5, a rib 0.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bones import add_ribs, shoulders, spine
from .brushes import Grid, cloud, curve, edge, entry, slant, strokes

if TYPE_CHECKING:
    from .phantom import Factors, Finding


def outlines(f: Factors) -> dict[str, np.ndarray]:
    """Curves of a patient. "wall" and "middle" have a row per side (0 the viewer's left, 1 the viewer's right)."""
    top, height, half = f.lung_top, f.lung_height, f.thorax_width / 2
    right, left = 0.31 * f.heart_width, 0.69 * f.heart_width  # of the patient: the apex lies on the viewer's right

    def down(points: list[tuple[float, float]], scale: float = 1.0, smooth: float = 0.03) -> np.ndarray:
        return curve([(top + height * s, scale * value) for s, value in points], smooth)

    wall = [(-0.06, 0.12), (-0.035, 0.28), (-0.01, 0.42), (0.03, 0.53), (0.09, 0.645), (0.18, 0.765), (0.3, 0.86),
            (0.45, 0.93), (0.7, 0.985), (0.95, 1.0), (1.25, 0.98)]  # fmt: skip
    m, knob = f.mediastinum, f.aortic_knob
    apex = [(-0.06, 0.12), (-0.03, 0.085), (0, 0.068), (0.05, 0.055 * m), (0.12, 0.05 * m)]
    left_border = [*apex, (0.18, 0.05 * m), (0.215, 0.052 * m + 0.6 * knob), (0.26, 0.052 * m + knob),
                   (0.30, 0.052 * m + 0.7 * knob), (0.335, 0.053 * m), (0.38, 0.06 * m),
                   (0.44, max(0.068 * m, 0.32 * left)), (0.50, max(0.074 * m, 0.40 * left)), (0.58, 0.50 * left),
                   (0.68, 0.70 * left), (0.77, 0.86 * left), (0.86, 0.95 * left), (0.94, left), (1.02, left),
                   (1.10, 0.92 * left), (1.2, 0.65 * left)]  # fmt: skip
    right_border = [*apex, (0.3, 0.048 * m), (0.42, 0.054 * m), (0.52, max(0.058, 0.66 * right)),
                    (0.62, 0.9 * right), (0.72, right), (0.84, right), (0.95, 0.9 * right),
                    (1.1, 0.7 * right)]  # fmt: skip
    dome, low = top + height, top + height + f.dome_difference
    deep = f.sulcus_depth
    diaphragm = curve(
        [(-1.04 * half, dome + deep), (-0.93 * half, dome + 0.56 * deep), (-0.78 * half, dome + 0.2 * deep),
         (-0.6 * half, dome), (-0.4 * half, dome), (-0.22 * half, dome + 0.035), (0, dome + 0.06),
         (0.3 * half, low + 0.025), (0.45 * half, low), (0.62 * half, low), (0.79 * half, low + 0.22 * deep),
         (0.93 * half, low + 0.6 * deep), (1.04 * half, low + deep)], 0.05)  # fmt: skip
    wide = f.body_width
    pit = top + 0.30  # armpit
    body = curve([(top - 0.22, 0.14), (top - 0.11, 0.125), (top - 0.07, 0.14), (top - 0.045, 0.20),
                  (top - 0.02, 0.32), (top + 0.01, 0.44), (top + 0.06, 0.53), (top + 0.12, 0.58), (pit - 0.08, 0.60),
                  (pit - 0.02, 1.12 * wide), (pit + 0.05, 0.99 * wide), (pit + 0.2, 0.97 * wide), (0.9, wide),
                  (1.1, 1.03 * wide)], 0.05)  # fmt: skip
    arm = curve([(pit - 0.2, 1.05 * wide + 0.3), (pit - 0.1, 1.05 * wide), (pit, 1.02 * wide),
                 (1.2, 1.02 * wide + f.arm_gap)], 0.04)  # fmt: skip
    thick = curve([(-0.1, 0.75), (top - 0.08, 0.95), (top + 0.08, 1.5), (top + 0.35, 1.72), (dome - 0.05, 1.95),
                   (dome + 0.2, 2.45), (1.1, 2.6)], 0.12)  # fmt: skip
    return {
        "wall": np.stack([down(wall, half, 0.035), down(wall, 0.985 * half, 0.035)]),
        "middle": np.stack([down(right_border), down(left_border, 1.0, 0.022)]),
        "diaphragm": diaphragm,
        "body": body,
        "arm": arm,
        "thick": thick,
    }


def branches(f: Factors, rng: np.random.Generator) -> np.ndarray:
    """Vessels of both lungs as strokes: thick at the hila, forking and thinning outwards, generation by generation."""
    angles = np.array([-72, -42, -8, 22, 48, 66, 80] * 2)  # degrees below the horizontal, outwards
    side = np.repeat([-1.0, 1.0], len(angles) // 2)
    turn = np.radians(angles + rng.uniform(-10, 10, len(angles)))
    x = np.where(side > 0, 0.080, -0.070)
    y = f.lung_top + f.lung_height * np.where(side > 0, 0.43, 0.46)
    y += rng.uniform(-0.025, 0.025, len(angles)) + 0.045 * np.sin(turn)
    width = rng.uniform(0.006, 0.0095, len(angles))
    hilum = np.stack([x, y, x + 0.018 * side, y + 0.02 * np.sin(turn), 2.2 * width, np.full(len(x), 0.5)], 1)
    parts = [hilum]
    for _ in range(10):
        draw = rng.random((6, len(x)))
        length = 0.02 + 0.018 * draw[0]
        x1, y1 = x + side * length * np.cos(turn), y + length * np.sin(turn)
        parts.append(np.stack([x, y, x1, y1, width, np.minimum(1, width / 0.0085)], 1))
        fork = np.flatnonzero(draw[3] < 0.45)
        aside = np.where(draw[4] < 0.5, -1, 1) * (0.45 + 0.5 * draw[5])
        turn = np.concatenate([turn + 0.7 * (draw[1] - 0.5), (turn + aside)[fork]])
        width = np.concatenate([width * (0.74 + 0.14 * draw[2]), (width * (0.55 + 0.15 * draw[2]))[fork]])
        keep = width > 0.0014
        x, y, side, turn, width = (
            v[keep]
            for v in (np.append(x1, x1[fork]), np.append(y1, y1[fork]), np.append(side, side[fork]), turn, width)
        )
    return np.concatenate(parts)


def attenuation(f: Factors, grid: Grid) -> np.ndarray:
    """Log-attenuation of the patient on the grid, about 0 (air) to 3.5 (belly, lead)."""
    lines = outlines(f)
    across, down, column = np.abs(grid.x), entry(grid.y), entry(grid.x)
    sided = down + (grid.x > 0) * np.int32(lines["wall"].shape[1])  # the two rows of a table laid end to end

    wall = lines["wall"].take(sided)
    in_wall, in_lung = wall - across, across - lines["middle"].take(sided)  # distances, positive on the lung's side
    in_wall *= slant(lines["wall"]).take(sided)
    in_lung *= slant(lines["middle"]).take(sided)
    below = grid.y - lines["diaphragm"].take(column)  # positive under the diaphragm
    below *= slant(lines["diaphragm"]).take(column)

    dense, trunk = _body(f, lines, across, down)
    aerated = edge(in_wall, 0.007)
    aerated *= edge(in_lung, 0.006)
    above = edge(-below, 0.0045)
    fluid = _fluid(f, grid, wall, across)
    if fluid is not None:
        above *= 1 - fluid
    lungs = aerated * above
    depth = np.minimum(in_wall, np.float32(1.3) * in_lung)
    np.maximum(depth, 0, out=depth)
    depth *= np.float32(-1 / 0.055)
    air = 1 - 0.5 * np.exp(depth, out=depth)  # chords through the lung grow away from its outline
    air *= lungs
    air *= 1 - np.float32(f.lung_opacity) * (0.75 + 0.5 * grid.y)
    dense *= 1 - np.float32(0.63) * air
    dense -= 0.10 * aerated * edge(np.float32(0.07) - below, 0.05) * (1 - above)  # lung behind the domes

    inner = np.minimum(in_lung, 0)
    inner *= np.float32(1 / 0.06)
    heart = 0.42 - 0.26 * np.exp(inner, out=inner)  # with the great vessels
    heart *= edge(-in_lung, 0.006)
    heart *= 1 - 0.85 * edge(below - np.float32(0.02), 0.02)  # under the domes the belly hides it
    heart *= edge(grid.y - np.float32(f.lung_top - 0.02), 0.06)
    dense += heart
    dense += edge(below, 0.05) * trunk * np.float32(0.25)

    texture = np.zeros_like(dense)
    strokes(texture, grid, branches(f, np.random.default_rng([f.grain, 2])))
    texture *= np.float32(0.36 * f.vessel_strength)
    for cells, amount in ((14, 0.025), (40, 0.024), (110, 0.022), (230, 0.018)):
        if cells < grid.resolution / 2:  # what is finer than the pixels averages out
            field = cloud(grid.resolution, cells, f.grain)
            field *= np.float32(amount)
            texture += field
    texture *= lungs
    dense += texture
    dense += 0.02 * cloud(grid.resolution, 5, f.grain)

    bones = np.zeros_like(dense)
    add_ribs(bones, grid, f, lines["wall"])
    bones *= np.float32(0.21 * f.rib_strength) * (0.4 + 0.6 * lungs)
    dense += bones * trunk
    spine(dense, grid, f)
    shoulders(dense, grid, f)
    _airway(dense, grid, f)
    if f.breast:
        _breasts(dense, grid, f, trunk)
    if f.stomach_gas:
        _stomach(dense, grid, f, below)
    if f.findings:
        inside = aerated * edge(0.01 - below, 0.01)
        for finding in f.findings:
            _opacity(dense, grid, finding, inside, f.grain)
    if f.marker:
        _marker(dense, grid, f)
    return dense


def _body(
    f: Factors, lines: dict[str, np.ndarray], across: np.ndarray, down: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Soft tissue as if there were no lungs, and the body's mask."""
    skin = lines["body"].take(down)
    skin -= across
    skin *= slant(lines["body"]).take(down)
    arm = across - lines["arm"].take(down)
    np.minimum(arm, np.float32(0.14) - arm, out=arm)
    np.maximum(skin, arm, out=skin)
    trunk = edge(skin, 0.005)
    np.maximum(skin, 0, out=skin)
    skin *= np.float32(-1 / 0.03)
    dense = 1 - 0.75 * np.exp(skin, out=skin)
    dense *= (lines["thick"] * np.float32(f.body_thickness)).take(down)
    dense *= trunk
    return dense, trunk


def _fluid(f: Factors, grid: Grid, wall: np.ndarray, across: np.ndarray) -> np.ndarray | None:
    """Share of pleural fluid: level in the middle, climbing at the wall (the meniscus)."""
    total = None
    for finding in f.findings:
        if finding.kind == "effusion":
            x, y = grid.in_patient(finding.x, finding.y)
            climb = np.clip(across / np.maximum(wall, np.float32(0.05)), 0, 1) ** 5
            surface = np.float32(y + finding.size * 0.5) - np.float32(finding.size) * (0.55 + 0.45 * climb)
            layer = edge(grid.y - surface, 0.010) * edge(grid.x * np.float32(1 if x > 0 else -1), 0.02)
            layer *= np.float32(finding.strength)
            total = layer if total is None else np.maximum(total, layer)
    return total


def _airway(dense: np.ndarray, grid: Grid, f: Factors) -> None:
    fork = f.lung_top + 0.36 * f.lung_height
    tree = np.array([(-0.002, -0.2, -0.004, fork, 0.0135, 1.0), (-0.004, fork, -0.05, fork + 0.075, 0.010, 0.7),
                     (-0.002, fork, 0.06, fork + 0.06, 0.009, 0.65)])  # fmt: skip
    where = grid.window(-0.1, 0.1, -0.2, fork + 0.12)
    air = np.zeros_like(dense)
    strokes(air, grid, tree)
    dense[where] -= 0.26 * air[where]


def _breasts(dense: np.ndarray, grid: Grid, f: Factors, trunk: np.ndarray) -> None:
    half, level = f.thorax_width / 2, f.lung_top + 0.80 * f.lung_height
    for side in (-1, 1):
        middle, reach_x, reach_y = 0.66 * half, 0.62 * half, 0.17
        where = grid.window(
            *sorted((side * (middle - 1.1 * reach_x), side * (middle + 1.1 * reach_x))), level - 0.32, level + 0.2
        )
        x = (grid.x[where] * np.float32(side) - np.float32(middle)) * np.float32(1 / reach_x)
        y = (grid.y[where] - np.float32(level)) * np.float32(1 / reach_y)
        y *= np.where(y < 0, np.float32(0.6), np.float32(1))  # fades upwards, sharp fold below
        inside = 1 - np.sqrt(x * x + y * y)
        thick = np.sqrt(np.clip(inside * 2.2 + 0.15, 0, 1)) * edge(inside, 0.035)
        dense[where] += np.float32(0.34 * f.breast) * thick * trunk[where]


def _stomach(dense: np.ndarray, grid: Grid, f: Factors, below: np.ndarray) -> None:
    cx, cy = 0.46 * f.thorax_width / 2, f.lung_top + f.lung_height + f.dome_difference + 0.055
    where = grid.window(cx - 0.1, cx + 0.1, cy - 0.05, cy + 0.05)
    x = (grid.x[where] - np.float32(cx)) * np.float32(1 / 0.075)
    y = (grid.y[where] - np.float32(cy)) * np.float32(1 / 0.034)
    bubble = edge(1 - np.sqrt(x * x + y * y), 0.12) * edge(0.55 - y, 0.1)  # gas above, a level below
    dense[where] -= np.float32(0.55 * f.stomach_gas) * bubble * edge(below[where] - np.float32(0.008), 0.005)


def _opacity(dense: np.ndarray, grid: Grid, finding: Finding, inside: np.ndarray, grain: int) -> None:
    if finding.kind not in ("nodule", "consolidation"):
        return
    x, y = grid.in_patient(finding.x, finding.y)
    reach = 1.8 * finding.size
    where = grid.window(x - reach, x + reach, y - reach, y + reach)
    far = np.hypot(grid.x[where] - np.float32(x), grid.y[where] - np.float32(y)) * np.float32(1 / finding.size)
    if finding.kind == "nodule":
        shape = edge(1 - far, 0.13) * np.sqrt(np.clip(1.15 - far * far, 0.15, 1))
    else:
        patchy = 0.30 * cloud(grid.resolution, 14, grain)[where] + 0.22 * cloud(grid.resolution, 40, grain)[where]
        shape = edge(0.72 - far + 0.45 * patchy, 0.3) * np.clip(0.85 + 0.55 * patchy, 0.2, 1.3)
    dense[where] += np.float32(finding.strength) * shape * inside[where]


def _marker(dense: np.ndarray, grid: Grid, f: Factors) -> None:
    """A lead L at the patient's left."""
    x, y = grid.in_patient(*f.marker)
    lead = np.zeros_like(dense)
    letter = [(x, y - 0.018, x, y + 0.018, 0.004, 1.6), (x, y + 0.018, x + 0.018, y + 0.018, 0.004, 1.6)]
    strokes(lead, grid, np.array(letter))
    np.maximum(dense, 3.2 * np.minimum(1, lead), out=dense)
