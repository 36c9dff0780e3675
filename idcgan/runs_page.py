"""The index of runs as one HTML file: a table to sort and filter, thumbnails, loss curves; nothing is fetched."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from . import compare
from .checkpoint import atomically
from .run_record import times_floor
from .runs import Run
from .runs_table import HEADS, SHOWN, columns, summary, written

THUMB = (4, 2)  # films of a thumbnail: columns, rows
HIGH = 96  # pixels
POINTS = 48  # of a small loss curve


def write_page(runs: Sequence[Run], place: dict[str, int], said: Sequence[str], path: Path, pair: tuple[Run, Run] | None = None) -> None:
    """The page of these runs, in this order, with two of them side by side where a pair is given. Raises WorkError."""
    page = page_of(runs, place, said, pair)
    atomically(path, lambda p: p.write_text(page, encoding="utf-8"))


def page_of(runs: Sequence[Run], place: dict[str, int], said: Sequence[str], pair: tuple[Run, Run] | None = None) -> str:
    """The page, whole: styles, script and pictures are in it."""
    package = resources.files("idcgan")
    style, script = ("".join(package.joinpath(n).read_text(encoding="utf-8") for n in names) for names in (("report.css", "runs.css"), ("runs.js",)))
    names = columns(runs)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:  # unpacking PNGs takes most of the time, and lets other threads run
        rows = "\n".join(threads.map(lambda run: _row(run, names, place), runs))
    title = "Two runs and all of them" if pair else "Runs"
    words = "".join(f"<p>{escape(sentence)}</p>" for sentence in said)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head><body><main class="runs">
<header><h1>{title}</h1><p>{escape(summary(runs))}. The films are made by neural networks. Not for diagnosis.</p></header>
{_pair(*pair) if pair else ""}
<section>{"<h2>All runs</h2>" if pair else ""}{words}
<p class="tools"><label for="filter">Show only rows that hold all of these words</label> <input id="filter" type="search" autocomplete="off">
<output id="count" for="filter"></output></p>
<div class="scroll"><table id="runs"><thead><tr>{_head(names, place)}</tr></thead>
<tbody>
{rows}
</tbody></table></div>
<p><small>x floor: sliced Wasserstein distance of the highest level's films to the training films, as a multiple of what halves of these have; 1 is
as near as real films. Curves: G drawn through, D dashed. Click a column's name to sort by it.</small></p></section>
</main><script>{script}</script></body></html>
"""


# ---- the table -------------------------------------------------------------------------------------------------------


def _head(names: Sequence[str], place: dict[str, int]) -> str:
    """The answer first (place, films, name, figures, losses), then what was set."""
    words = {name: escape(HEADS.get(name, name)).replace("_", "_<wbr>") for name in names}
    sortable = {name: f'<th scope="col"><button type="button" data-field="{escape(name)}">{word}</button></th>' for name, word in words.items()}
    ranked = ['<th scope="col"><button type="button" data-field="place">place</button></th>'] if place else []
    figures, parameters = ("".join(sortable[name] for name in names[2:] if _kind(name) == kind) for kind in ("figure", "parameter"))
    first = f'<th scope="col">films made</th>{sortable["name"]}{sortable["status"]}'
    return f'{"".join(ranked)}{first}{figures}<th scope="col">losses</th>{parameters}'


def _row(run: Run, names: Sequence[str], place: dict[str, int]) -> str:
    ranked = _cell(place.get(run.name), str(place.get(run.name, "-")), "figure") if place else ""
    cells = {name: _cell(_sortable(run.value(name)), escape(written(name, run.value(name))) + _beside(run, name), _kind(name)) for name in names[2:]}
    figures, parameters = ("".join(cell for name, cell in cells.items() if _kind(name) == kind) for kind in ("figure", "parameter"))
    told = f'<p class="failure">{escape(run.sentence)}</p>' if run.sentence else ""
    name = f'<th scope="row" data-v="{escape(run.name)}">{escape(run.name)}{told}{_warnings(run)}</th>'
    status = f'<td class="{run.status}" data-v="{run.status}">{run.status}</td>'
    return f"<tr>{ranked}<td>{_thumbnail(run)}</td>{name}{status}{figures}<td>{_curve(run)}</td>{parameters}</tr>"


def _cell(value: Any, shown: str, kind: str) -> str:
    return f'<td class="{kind}" data-v="{"" if value is None else escape(str(value))}">{shown}</td>'


def _kind(name: str) -> str:
    return "figure" if name in SHOWN or name == "warnings" else "parameter"


def _sortable(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _beside(run: Run, name: str) -> str:
    """What a figure needs beside it: the other levels, or interval and floor."""
    if name == "distance":
        lower = [f"{r}: {near:.2f}" for r, level in sorted(run.levels.items()) if (near := times_floor(level)) is not None]
        return f"<small>{'<br>'.join(lower)}</small>" if len(lower) > 1 else ""
    entry = run.judged.get(name)
    if not entry or not isinstance(entry.get("floor"), int | float):
        return ""
    interval = f"{entry['interval'][0]:.3g} to {entry['interval'][1]:.3g}<br>" if entry.get("interval") else ""
    return f"<small>{interval}floor {entry['floor']:.3g}</small>"


def _warnings(run: Run) -> str:
    if not run.warnings:
        return ""
    count = f"{len(run.warnings)} warning{'s' if len(run.warnings) > 1 else ''}"
    return f"<details><summary>{count}</summary><ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in run.warnings)}</ul></details>"


def _curve(run: Run) -> str:
    """Both losses as a small drawing, from a few rows of the history."""
    rows = run.history(POINTS)
    losses = np.array([[row.get("loss_d", np.nan), row.get("loss_g", np.nan)] for row in rows])
    losses = losses[np.isfinite(losses).all(1)] if len(losses) else losses
    if len(losses) < 2:
        return ""
    low, high = min(0.0, float(np.percentile(losses, 2))), float(np.percentile(losses, 98))
    across = np.linspace(1, 119, len(losses))
    down = 39 - 38 * np.clip((losses - low) / (high - low or 1.0), 0, 1)
    lines = "".join(f'<polyline class="{player}" points="{" ".join(f"{x:.0f},{y:.1f}" for x, y in zip(across, down[:, i], strict=True))}"/>'
                    for i, player in enumerate("dg"))  # fmt: skip
    first, last = losses[0], losses[-1]
    words = f"Losses from the first to the last step: D {first[0]:.2f} to {last[0]:.2f}, G {first[1]:.2f} to {last[1]:.2f}"
    return f'<svg viewBox="0 0 120 40" width="120" height="40" role="img" aria-label="{words}">{lines}</svg>'


def _thumbnail(run: Run) -> str:
    """A corner of the highest level's sample grid."""
    path, count = run.grid, run.config.get("samples")
    if path is None or not isinstance(count, int):
        return ""
    try:
        data, width, height = corner(path, count)
    except (OSError, ValueError):
        return "<small>the sample grid cannot be read</small>"
    alt = f"Made films of {run.name} at {int(path.stem)} x {int(path.stem)}"
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(data).decode()}" width="{width}" height="{height}" alt="{escape(alt)}">'


def corner(path: Path, count: int) -> tuple[bytes, int, int]:
    """The first films of a grid of `count` films, as JPEG, and its width and height in pixels. Raises OSError or ValueError."""
    with Image.open(path) as sheet:
        across = int(np.ceil(np.sqrt(count)))  # as records.grid lays them
        side = sheet.width / across
        wide, high = min(THUMB[0], across), min(THUMB[1], -(-count // across))
        picture = sheet.convert("L").crop((0, 0, round(wide * side), round(high * side)))
    picture = picture.resize((HIGH // THUMB[1] * wide, HIGH // THUMB[1] * high), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return buffer.getvalue(), picture.width, picture.height


# ---- two side by side ------------------------------------------------------------------------------------------------


def _pair(a: Run, b: Run) -> str:
    from .errors import InputError
    from .plots import to_png

    differ = compare.config_differences(a, b)
    tables = [_pair_table("parameter", a, b, differ) if differ else "<p>Every parameter is the same.</p>" if a.config and b.config else "",
              _pair_table("figure", a, b, compare.figure_rows(a, b))]  # fmt: skip
    said = "".join(f'<p class="warning">{escape(sentence)}</p>' for sentence in compare.caveats(a, b))
    pictures = []
    for draw, caption, alt in (
        (compare.plot_losses_together, "Both losses over the steps of the whole run.", f"Loss curves of {a.name} and {b.name} on one axis"),
        (compare.plot_grids_together, compare.about_latents(a, b), f"Sample grids of {a.name} and {b.name} beside each other"),
    ):
        try:
            data = base64.b64encode(to_png(draw(a, b))).decode()
            pictures.append(
                f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}"><figcaption>{escape(caption)}</figcaption></figure>'
            )
        except (InputError, OSError) as error:
            pictures.append(f"<p>{escape(str(error))}</p>")
    shown = f'{said}<div class="beside">{"".join(tables)}</div>{"".join(pictures)}'
    return f'<section id="pair"><h2>{escape(a.name)} and {escape(b.name)}</h2>{shown}</section>'


def _pair_table(title: str, a: Run, b: Run, rows: compare.Rows) -> str:
    body = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(one)}</td><td>{escape(two)}</td></tr>' for name, one, two in rows)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in (title, a.name, b.name))
    return f'<div class="scroll"><table class="pair"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
