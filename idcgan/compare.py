"""Two runs side by side: what was set differently, what came of it, loss curves on one axis, films of the same latents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InputError
from .run_record import times_floor
from .runs import OTHER_JUDGES, Run
from .runs_table import aligned, differing, duration, other_films, other_numbers, plain, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LATENTS = ("seed", "latent_dim", "samples")  # what the latents of a run's grids are drawn from
Rows = list[tuple[str, str, str]]


def config_differences(a: Run, b: Run) -> Rows:
    """The fields of the config that differ, with both values; a field that one of them does not have yet has "-"."""
    return [(name, *(plain(run.config[name]) or '""' if name in run.config else "-" for run in (a, b))) for name in differing([a, b])]


def figure_rows(a: Run, b: Run) -> Rows:
    """What both runs came to: cost, each level's distance as a multiple of the real films' floor, losses, evaluation with floors."""
    rows: Rows = [("status", a.status, b.status), ("films", a.films or "-", b.films or "-")]
    rows += [(title, written(name, a.value(name)), written(name, b.value(name))) for title, name in (("steps", "steps"), ("time", "seconds"))]
    for resolution in sorted({*a.levels, *b.levels}):
        rows.append((f"level {resolution}", _level(a, resolution), _level(b, resolution)))
    losses = (("loss D", "loss_d"), ("loss G", "loss_g"), ("D(x)", "d_real"), ("D(G(z))", "d_fake"))
    rows += [(f"last {title}", written(name, a.value(name)), written(name, b.value(name))) for title, name in losses]
    for key in dict.fromkeys([*a.judged, *b.judged]):
        rows.append((str((a.judged.get(key) or b.judged[key])["title"] or key), _judged(a, key), _judged(b, key)))
    return [row for row in rows if row[1:] != ("-", "-")]


def _level(run: Run, resolution: int) -> str:
    level = run.levels.get(resolution)
    if not level:
        return "-"
    near = times_floor(level)
    return f"{level['steps']:,} steps, {duration(level['seconds'])}{f', {near:.2f} x floor' if near is not None else ''}"


def _judged(run: Run, key: str) -> str:
    entry = run.judged.get(key)
    if not entry:
        return "-"
    interval = f" ({entry['interval'][0]:.3g} to {entry['interval'][1]:.3g})" if entry.get("interval") else ""
    floor = f", floor {entry['floor']:.3g}" if isinstance(entry.get("floor"), int | float) else ""
    return f"{entry['value']:.3g}{interval}{floor}"


def caveats(a: Run, b: Run) -> list[str]:
    """What must be known before the two are compared."""
    said = []
    if a.label_class != b.label_class:
        said.append(f"The classes differ ({a.label_class or 'none'} and {b.label_class or 'none'}): figures of quality do not compare.")
    elif a.films != b.films or other_films([a, b]):
        said.append("The films differ: figures of quality do not compare.")
    said += other_numbers([a, b])
    if a.judge and b.judge and a.judge != b.judge:
        said.append(f"The evaluations are {OTHER_JUDGES}: they do not compare.")
    if a.resolution != b.resolution:
        said.append(f"The highest levels differ ({a.resolution} and {b.resolution}): compare level by level.")
    return said


def as_text(a: Run, b: Run) -> str:
    """The comparison for a terminal."""
    differ = config_differences(a, b)
    parts = [("parameter", differ)] if differ else []
    lines = [] if differ else ["Every parameter is the same." if a.config and b.config else "One of the two has no config that can be read."]
    for title, rows in [*parts, ("figure", figure_rows(a, b))]:
        lines += [*aligned([(title, a.name, b.name), *rows]), ""]
    lines += [f"{run.name} {run.status}: {run.sentence}" for run in (a, b) if run.sentence]
    return "\n".join([*lines, *caveats(a, b)]).rstrip()


# ---- figures ---------------------------------------------------------------------------------------------------------


def plot_losses_together(a: Run, b: Run, against: str = "step") -> Figure:
    """Both runs' losses on one axis. Raises InputError where neither has logged a step."""
    from .plots import plot_loss_curves

    curves = {run.name: rows for run in (a, b) if (rows := run.history())}
    if not curves:
        raise InputError(f"neither {a.name} nor {b.name} has logged a step; there are no losses to draw.")
    return plot_loss_curves(curves, against)


def plot_grids_together(a: Run, b: Run) -> Figure:
    """The sample grids of the highest level that both have. Raises InputError where there is none, or one is damaged."""
    from .plots import plot_side_by_side

    resolution = common_level(a, b)
    if not resolution:
        raise InputError(f"{a.name} and {b.name} have no level with a sample grid in common.")
    try:
        return plot_side_by_side({f"{run.name}, {resolution} x {resolution}": run.path / "samples" / f"{resolution:04d}.png" for run in (a, b)})
    except OSError as error:  # its own words name the file with the whole way to it, which a page must not tell
        raise InputError(
            f"a sample grid at {resolution} of {a.name} or {b.name} is damaged and cannot be read; look at the losses, or restore it from a copy."
        ) from error


def common_level(a: Run, b: Run) -> int:
    """The highest resolution of which both have a sample grid; 0: none."""
    both = sorted(set(a.levels) & set(b.levels), reverse=True)
    return next((r for r in both if all((run.path / "samples" / f"{r:04d}.png").is_file() for run in (a, b))), 0)


def about_latents(a: Run, b: Run) -> str:
    """Are the grids drawn from the same latents?"""
    other = [name for name in LATENTS if a.config.get(name) != b.config.get(name)]
    if other:
        return f"The grids are not of the same latents: {', '.join(other)} {'differ' if len(other) > 1 else 'differs'}."
    return "The same latents in both grids, place by place. Networks that started or learnt differently make other films of them."
