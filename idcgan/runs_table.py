"""Which run was best? Runs chosen, put in order, and written as a table for a terminal or as CSV."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError
from .runs import OTHER_JUDGES, STATUSES, Run, nearest_of

FACTS = ("name", "status", "films", "resolution", "steps", "seconds", "distance", "variety", "loss_d", "loss_g", "d_real", "d_fake", "warnings",
         "peak_memory", "kid")  # fmt: skip
SHOWN = ("resolution", "steps", "seconds", "distance", "variety", "loss_d", "loss_g", "kid")  # figures with a column of their own
# figures that do not compare across classes or films, beside those of an evaluation
QUALITY = {"distance", "variety", "loss_d", "loss_g", "d_real", "d_fake"}
HEADS = {"resolution": "top level", "seconds": "time", "distance": "x floor", "loss_d": "loss D", "loss_g": "loss G", "kid": "KID"}
Group = tuple[str, str, int, str]  # films, class, highest resolution, and the fingerprint where the name does not tell the films apart


def fields(runs: Sequence[Run]) -> list[str]:
    """Every name that --sort and --where understand."""
    return list(dict.fromkeys([*FACTS, *(name for run in runs for name in (*run.config, *run.figures))]))


def check_field(name: str, runs: Sequence[Run], option: str) -> str:
    """Raises InputError with the nearest name."""
    known = fields(runs)
    if name not in known:
        raise InputError(f"{option} names the unknown field {name!r}; {nearest_of(name, known)}")
    return name


def choose(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    """The runs for which every FIELD=VALUE holds. Raises InputError."""
    if not where:
        return list(runs)
    from .config import parse_changes  # the same spelling as --set; it brings numpy along, which a list does not need

    asked = [(check_field(name, runs, "--where"), value) for pair in where for name, value in parse_changes([pair]).items()]
    return [run for run in runs if all(_same(run.value(name), value) for name, value in asked)]


def _same(value: Any, asked: str) -> bool:
    try:
        return float(value) == float(asked)
    except (TypeError, ValueError):
        return plain(value).lower() == asked.replace(" ", "").lower() or str(value).lower() == asked.lower()


def order(runs: Sequence[Run], sort: str = "") -> tuple[list[Run], dict[str, int], list[str]]:
    """Runs in order, the place of each ranked run by name, and sentences that say what the order is. Raises InputError.

    Without `sort` the best come first, ranked among runs of the same films, class and highest resolution only. `-FIELD` turns the order round.
    """
    if sort:
        return _sorted(runs, sort)
    said = [
        "Best first: by KID where a run has been evaluated, the others after them by the distance of the highest level's films, as a multiple of the "
        "real films' floor."
    ]
    apart = other_films(runs)
    ranked, groups = sorted(runs, key=lambda run: _rank(run, apart)), {}
    for run in ranked:
        if _figure(run):
            groups.setdefault(group(run, apart), []).append(run)
    place = {run.name: at for found in groups.values() for at, run in enumerate(found, 1)}
    if len(groups) > 1:
        said.append(f"Only runs of the same films, class and highest resolution are ranked against each other: {'; '.join(map(_words, groups))}.")
    if any(len({run.judge for run in found if run.judge}) > 1 for found in groups.values()):
        said.append(f"Some KIDs are {OTHER_JUDGES}: these do not compare.")
    by_distance = [[run for run in found if run.value("kid") is None] for found in groups.values()]
    said += dict.fromkeys(sentence for found in by_distance for sentence in other_numbers(found))
    return ranked, place, said


def group(run: Run, apart: Container[Group] = ()) -> Group:
    """Runs are ranked against those with the same films, class and highest resolution; `apart`: what `other_films` found."""
    key = (run.films, run.label_class, run.resolution, "")
    return (*key[:3], run.fingerprint) if key in apart else key


def other_films(runs: Sequence[Run]) -> set[Group]:
    """The groups whose runs call other films by the same name. (Of the same films, pyramids of other levels have other fingerprints.)"""
    prints: dict[tuple[Group, str], set[str]] = {}
    for run in runs:
        built = plain([run.config.get(name) for name in ("resolutions", "square", "channels")])
        prints.setdefault((group(run), built), set()).update(filter(None, [run.fingerprint]))
    return {key for (key, _), found in prints.items() if len(found) > 1}


def other_numbers(runs: Sequence[Run]) -> list[str]:
    """A sentence where the runs' distances do not compare, for the floor of a sliced distance is lower with more films."""
    numbers = sorted({run.glanced for run in runs if run.glanced and run.value("distance") is not None})
    return [f"The distances were measured with other numbers of films ({plain(numbers)}): they do not compare."] if len(numbers) > 1 else []


def _words(key: Group) -> str:
    films, label_class, resolution, fingerprint = key
    told = f", fingerprint {fingerprint[:6]}," if fingerprint else ""
    return f"{films or 'films unknown'}{told}{f' ({label_class})' if label_class and label_class not in films else ''} at {resolution}"


def _figure(run: Run) -> tuple[int, float] | None:
    """What a run is ranked by: KID before distance; None: it has neither."""
    kid, distance = run.value("kid"), run.value("distance")
    return (0, kid) if kid is not None else (1, distance) if distance is not None else None


def _rank(run: Run, apart: Container[Group]) -> tuple[Any, ...]:
    found, (films, label_class, resolution, fingerprint) = _figure(run), group(run, apart)
    return (0, films, label_class, -resolution, fingerprint, found, run.name) if found else (1, run.name)


def _sorted(runs: Sequence[Run], sort: str) -> tuple[list[Run], dict[str, int], list[str]]:
    name = check_field(sort.removeprefix("-"), runs, "--sort")
    entries = [run.judged[name] for run in runs if name in run.judged]
    high_is_good = bool(entries) and entries[0]["worse"] == "low"
    down = high_is_good != sort.startswith("-")
    with_value = [run for run in runs if run.value(name) not in (None, "")]
    ordered = sorted(with_value, key=lambda run: _sort_key(run.value(name)), reverse=down)
    said = [f"Sorted by {name}, {'highest' if down else 'lowest'} first."]
    groups = {(run.films, run.label_class) for run in with_value}
    if (len(groups) > 1 or other_films(with_value)) and (name in QUALITY or entries):
        said.append("These runs are of different films or classes: their figures do not compare.")
    said += other_numbers(with_value) if name == "distance" else []
    if entries and len({run.judge for run in with_value}) > 1:
        said.append(f"Some of these figures are {OTHER_JUDGES}: these do not compare.")
    return [*ordered, *(run for run in runs if run.value(name) in (None, ""))], {}, said


def _sort_key(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list):
        return (1, "", *(_sort_key(item) for item in value))
    return (0, value) if isinstance(value, int | float) else (1, str(value))


# ---- words -----------------------------------------------------------------------------------------------------------


def differing(runs: Sequence[Run]) -> list[str]:
    """The parameters that are not the same in all runs that have a config."""
    configs = [run.config for run in runs if run.config]
    names = dict.fromkeys(name for config in configs for name in config)
    return [name for name in names if any(config.get(name) != configs[0].get(name) for config in configs)]


def plain(value: Any) -> str:
    """A parameter as --set takes it: 64,128."""
    if isinstance(value, list | tuple):
        return ",".join(map(plain, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def written(name: str, value: Any) -> str:
    """A figure or parameter for a person; "-" where there is none."""
    if value is None or value == "":
        return "-"
    if name == "seconds":
        return duration(value)
    if name == "peak_memory":
        return f"{value / 1e9:.1f} GB"
    if isinstance(value, float) and name in FACTS:
        return f"{value:#.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:,}" if name == "steps" else plain(value)


def duration(seconds: float) -> str:
    """12 s, 3.5 min, 4 h 48 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def columns(runs: Sequence[Run]) -> list[str]:
    """The columns of a table: what differs of the films and the parameters, and the figures that a run has."""
    films = ["films"] if len({run.films for run in runs if run.films}) > 1 else []
    figures = [name for name in SHOWN if any(run.value(name) is not None for run in runs)]
    warned = ["warnings"] if any(run.warnings for run in runs) else []
    return ["name", "status", *films, *differing(runs), *figures, *warned]


def as_text(runs: Sequence[Run], place: dict[str, int]) -> str:
    """The table for a terminal, and below it why runs failed."""
    names = columns(runs)
    head = [*(["place"] if place else []), *(HEADS.get(name, name) for name in names)]
    rows = [[*([str(place.get(run.name, "-"))] if place else []), *(written(name, run.value(name)) for name in names)] for run in runs]
    return "\n".join([*aligned([head, *rows]), *(f"{run.name} {run.status}: {run.sentence}" for run in runs if run.sentence)])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table for a terminal, a line per row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def summary(runs: Sequence[Run]) -> str:
    """3 runs: 2 finished, 1 failed."""
    counts = Counter(run.status for run in runs)
    listed = ", ".join(f"{counts[status]:,} {status}" for status in sorted(counts, key=STATUSES.index))
    return f"{len(runs):,} run{'s' if len(runs) != 1 else ''}{f': {listed}' if listed else ''}"


def write_csv(runs: Sequence[Run], path: Path) -> None:
    """A row per run with every parameter and figure under its field's name, numbers in full. Raises WorkError."""
    from .checkpoint import atomically

    names = [*fields(runs), "sentence"]

    def write(temporary: Path) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as handle:
            rows = csv.writer(handle)
            rows.writerow(names)
            rows.writerows([*(_full(run.value(name)) for name in names[:-1]), run.sentence] for run in runs)

    atomically(path, write)


def _full(value: Any) -> str:
    return repr(value) if isinstance(value, float) else plain(value)
