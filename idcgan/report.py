"""The report as files: report.json, report.html (one file, nothing fetched), its figures as PNGs; several reports in one table."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from . import report_figures as figures
from .checkpoint import atomically, write_json
from .errors import InputError
from .evaluation import Evidence, evaluate
from .filmset import FilmSet
from .nameless import nameless
from .plots import plot_rows, to_png
from .runs_table import aligned
from .settings import Settings
from .verdicts import figure as written
from .verdicts import limits, number, span, verdicts

FAMILIES = {"fidelity": "Do they look real?", "texture": "Is the texture right?", "diversity": "Are they varied?", "copies": "Are they copies?"}
SHOWN = 18  # films of the contact sheet


@dataclass(frozen=True)
class Picture:
    """A figure of the report: file name, caption, words for those who do not see it."""

    name: str
    caption: str
    alt: str
    png: bytes


def write_report(report: dict[str, Any], evidence: Evidence, out: Path, show_real: bool = True) -> Path:
    """Write the report into the folder `out`; returns report.html. `show_real=False` leaves out every picture and every name of a real film.

    Raises InputError where the folder cannot be made, WorkError where the disk is full.
    """
    if not show_real:
        report |= nameless(report, evidence)
    report |= {"verdicts": verdicts(report), "limits": limits(report)}
    pictures = _pictures(report, evidence, show_real)
    refuse_out(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; choose another --out.") from error
    for picture in pictures:
        atomically(out / picture.name, lambda p, picture=picture: p.write_bytes(picture.png))
    if not show_real:
        (out / "nearest-pairs.png").unlink(missing_ok=True)  # of an earlier report here that did show them
    write_json(out / "report.json", report)
    page = page_of(report, pictures, show_real and evidence.seen)
    atomically(out / "report.html", lambda p: p.write_text(page, encoding="utf-8"))
    return out / "report.html"


def refuse_out(out: Path) -> None:
    """Raises InputError where no folder `out` can be: asked before work that takes minutes."""
    there = next((part for part in (out, *out.absolute().parents) if part.exists()), None)
    if there is not None and not there.is_dir():
        raise InputError(f"{there} is a file; --out must name a folder.")


def evaluate_all(sources: list[Path], real: str, train: str, other: str, settings: Settings, out: Path | None = None, json_file: Path | None = None,
                 show_real: bool = True) -> str:  # fmt: skip
    """A report on each source; where there are several, each in a folder of `out` and a table of all. Returns what to tell a person."""
    if len(sources) > 1 and (other or json_file):
        raise InputError("--other and --json go with one run or folder; evaluate them one at a time.")
    reports, says = [], []
    names = [source.resolve().name for source in sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two of the sources are called {twice}; give each folder a name of its own.")
    folders = [default_report(source) for source in sources]
    if out is not None:
        folders = [out] if len(sources) == 1 else [out / name for name in names]
    for here in (*folders, *([json_file.parent] if json_file else [])):
        refuse_out(here)
    for source, here in zip(sources, folders, strict=True):
        report, evidence = evaluate(source, real, train, other, settings)
        page = write_report(report, evidence, here, show_real)
        reports.append(report)
        says += [f"{verdict['question']} {verdict['answer']}" for verdict in report["verdicts"]] if len(sources) == 1 else []
        says.append(f"{page}: the report; report.json beside it has every figure ({report['about']['seconds']:.0f} s)")
    if json_file:
        write_json(json_file, reports[0])
    if len(sources) > 1:
        page = write_comparison(reports, out or default_report(sources[0]).parent)
        head, rows = comparison(reports)
        says = [*aligned([head, *rows]), *says, f"{page}: the table"]
    return "\n".join(says)


def default_report(source: Path) -> Path:
    """RUN/evaluation, or beside a file or folder of films FOLDER-evaluation."""
    if (source / "run.json").is_file():
        return source / "evaluation"
    here = source.resolve()
    return here.with_name(f"{here.name if here.is_dir() else here.stem}-evaluation")


# ---- pictures --------------------------------------------------------------------------------------------------------


def _pictures(report: dict[str, Any], evidence: Evidence, show_real: bool) -> list[Picture]:
    side, spectrum = report["about"]["resolution"], report["spectrum"]
    shown = evidence.made.first(SHOWN)
    rows = {" " * i: _small(shown, part) for i, part in enumerate(np.array_split(np.arange(len(shown)), 2))}
    drawn: list[tuple[str, Figure, str, str]] = [
        ("films.png", plot_rows(rows), "The first of the films in question.", f"{len(shown)} made films, {side} x {side}, reduced"),
        ("places.png", figures.plot_places(report), "Where the films stand on each measure, among real films and films spoilt on purpose.",
         "One axis per measure with marks for the films in question, real films, blurred films and noise; the tables hold the figures"),
        ("spectrum.png", figures.plot_spectrum(report), "Power by frequency. A line that drops early is blur; spikes are grids.",
         f"Power spectra: made films lie {number(spectrum['value'])} dB from the held-out ones, real films {number(spectrum['floor'])} dB"),
        ("scales.png", figures.plot_scales(report), "Sliced Wasserstein distance, from the whole chest to single pixels.",
         "Lines of distance against scale for the made films, real films, the other class, blurred films and noise"),
    ]  # fmt: skip
    if "copies" in report:
        found = report["copies"]
        drawn.append(("nearest.png", figures.plot_nearest(report), "Distance to the nearest training film; left of the dashed line: flagged.",
                      f"Histograms of nearest distances of made and held-out films; {found['count']} made films lie beyond the line"))  # fmt: skip
        if show_real:
            marked = sum(pair["flagged"] for pair in found["pairs"])
            drawn.append(("nearest-pairs.png", figures.plot_pairs(_pairs(found, evidence)),
                          "The held-out films nearest to a training film, then the ten nearest made films: left the film, right its training film.",
                          f"Pairs of a film and its nearest training film; {marked} of the made ones are flagged"))  # fmt: skip
    if "usefulness" in report:
        drawn.append(("usefulness.png", figures.plot_usefulness(report["usefulness"]), "What a classifier of both classes learns from which films.",
                      "AUC with intervals for a classifier trained on real, made, both, and on real films with shuffled labels"))  # fmt: skip
    levels = report.get("history", [])
    if levels and all("swd" in level for level in levels):
        drawn.append(("history.png", figures.plot_history(levels), "Level by level while it trained, against the training films.",
                      "Sliced Wasserstein distance at the end of each level, made films and halves of the training films"))  # fmt: skip
    return [Picture(name, caption, alt, to_png(figure, dpi=110)) for name, figure, caption, alt in drawn]


def _small(films: FilmSet, places: Any, side: int = 192) -> np.ndarray:
    """(n, side, side) uint8."""
    return np.stack([np.asarray(Image.fromarray(films.items[i].film()).resize((side, side), Image.Resampling.LANCZOS)) for i in places])


def _pairs(found: dict[str, Any], evidence: Evidence) -> list[tuple[np.ndarray, np.ndarray, str, bool]]:
    learnt, out = {item.name: i for i, item in enumerate(evidence.training.items)}, []
    for pairs, films in ((found["nearest_held_out"], evidence.held_out), (found["pairs"], evidence.made)):
        places = {item.name: i for i, item in enumerate(films.items)}
        for pair in pairs:
            flagged = pair.get("flagged", False)
            words = "held-out, for comparison" if films is evidence.held_out else f"{pair['film']}{', FLAGGED' if flagged else ''}"
            distances = ", ".join(f"{k} {v:.2f}" for k, v in pair["distances"].items())
            film, training = _small(films, [places[pair["film"]]])[0], _small(evidence.training, [learnt[pair["training"]]])[0]
            out.append((film, training, f"{words}\n{distances}", flagged))
    return out


# ---- the page --------------------------------------------------------------------------------------------------------


def page_of(report: dict[str, Any], pictures: list[Picture], holds_real: bool) -> str:
    """The HTML page, whole: styles and pictures are in it."""
    about = report["about"]
    style = resources.files("idcgan").joinpath("report.css").read_text(encoding="utf-8")
    by_name = {p.name: _figure_html(p) for p in pictures}
    cards = "".join(f'<li class="{v["tone"]}"><h3>{escape(v["question"])}</h3><p>{escape(v["answer"])}</p></li>' for v in report["verdicts"])
    warning = (
        '<p class="warning" role="note">This page shows real films of patients. Share it only as the terms of those films allow.</p>'
        if holds_real
        else ""
    )
    films = about["films"]
    seen = f", {films['training']} training films" if about["seen"] else ""
    kind = f" of class {about['label_class']}" if about["label_class"] else ""
    spread = f" of latents {about['spread']:g} times as far out as in training" if about.get("spread", 1) != 1 else ""
    intro = (
        f"{films['made']} made films{kind} at {about['resolution']} x {about['resolution']}{spread}, "
        f"judged by {films['held_out']} held-out real films{seen}. Every figure stands beside what real films have. Not for diagnosis."
    )
    tables = "".join(_table(report, family, title) for family, title in FAMILIES.items())
    says = "".join(f"<li>{escape(sentence)}</li>" for sentence in report["limits"])
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(about["name"])}: are the films any good?</title><style>{style}</style></head><body><main>
<header><h1>{escape(about["name"])}: are the films any good?</h1><p>{escape(intro)}</p>{warning}</header>
<ul class="cards">{cards}</ul>
{by_name.get("films.png", "")}
<section><h2>Figures</h2>{by_name["places.png"]}{tables}</section>
<section><h2>Texture</h2>{by_name["spectrum.png"]}{by_name["scales.png"]}</section>
{_section("Copies", by_name, "nearest.png", "nearest-pairs.png")}{_section("Usefulness", by_name, "usefulness.png", after=_use_table(report))}
{_section("While it trained", by_name, "history.png")}
<section><h2>Limits</h2><ul>{says}</ul></section>
<section><h2>How this was made</h2>{_made_by(about)}</section>
</main></body></html>
"""


def _figure_html(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}"><figcaption>{escape(picture.caption)}</figcaption></figure>'


def _section(title: str, by_name: dict[str, str], *names: str, after: str = "") -> str:
    inside = "".join(by_name.get(name, "") for name in names)
    return f"<section><h2>{title}</h2>{inside}{after}</section>" if inside else ""


def _table(report: dict[str, Any], family: str, title: str) -> str:
    rows = [_row(entry) for entry in report.values() if isinstance(entry, dict) and entry.get("family") == family]
    if not rows:
        return ""
    head = "<tr><th>measure</th><th>films</th><th>95 %</th><th>p</th><th>verdict</th><th>real films</th><th>p</th><th>other places</th></tr>"
    return f'<div class="scroll"><table><caption>{title}</caption><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(entry: dict[str, Any]) -> str:
    unit = f" <small>{escape(entry['unit'])}</small>" if entry["unit"] else ""
    others = ", ".join(f"{escape(k)} {number(v)}" for k, v in entry["placed"].items() if k != "real" and np.isfinite(v))
    verdict = '<td class="bad">told apart</td>' if entry["told_apart"] else '<td class="good">not told apart</td>'
    return (
        f"<tr><th scope='row'>{escape(entry['title'])}{unit}<br><small>sees {escape(entry['sees'])} ({escape(entry['reference'])})</small></th>"
        f"<td><b>{number(entry['value'])}</b></td><td>{span(entry)}</td><td>{entry['p']:.2g}</td>{verdict}<td>{number(entry['floor'])}</td>"
        f"<td>{format(entry['floor_p'], '.2g') if 'floor_p' in entry else ''}</td><td><small>{others}</small></td></tr>"
    )


def _use_table(report: dict[str, Any]) -> str:
    if "usefulness" not in report:
        return ""
    found = report["usefulness"]
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th>"
        + "".join(f"<td><b>{number(row[k]['value'])}</b></td><td>{span(row[k])}</td>" for k in ("auc", "accuracy"))
        + "</tr>"
        for name, row in found["trained_on"].items()
    )
    head = "<tr><th>trained on</th><th>AUC</th><th>95 %</th><th>balanced accuracy</th><th>95 %</th></tr>"
    sets = (("real", found["real"]), ("made", found["made"]), ("held-out", found["held_out"]))
    counts = "; ".join(f"{name} films: {', '.join(f'{n} {c}' for c, n in films.items())}" for name, films in sets)
    note = f"{found['classifier']}; {found['draws']} seeds; {counts}"
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div><p><small>{escape(note)}</small></p>'


def _made_by(about: dict[str, Any]) -> str:
    facts = {
        "films in question": about["source"], "held-out real films": f"{about['real']} ({about['fingerprints']['held_out']})",
        "training films": f"{about['train']} ({about['fingerprints']['training']})" if about["seen"] else "not given", "features": about["features"],
        "seed, shuffles per test": f"{about['seed']}, {about['draws']}", "films compared, set against set": str(about["compared"]),
        "machine": f"{about['device']}; {about['cores']} cores", "code": about["code_version"],
        "packages": ", ".join(f"{k} {v}" for k, v in about["packages"].items()),
        "took": f"{about['seconds']:.0f} s, {about['peak_memory'] / 1e9:.1f} GB",
    }  # fmt: skip
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items()) + "</dl>"


# ---- several reports in one table ------------------------------------------------------------------------------------


def comparison(reports: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a row per measure, a column per report, "*" where real films cannot be told apart; the floor of the first that has it last.

    Where resolutions, numbers of films or training films differ the head says so: most measures hang on them, and floors do.
    """
    keys = dict.fromkeys(k for r in reports for k, e in r.items() if isinstance(e, dict) and "value" in e and "placed" in e)
    sizes = [f" ({a['resolution']} x {a['resolution']}, {a['compared']} against {a['films']['held_out']})" for a in (r["about"] for r in reports)]
    uneven = len(set(sizes)) > 1
    of_one = len({r["about"]["fingerprints"]["training"] for r in reports}) == 1
    floor = "real films" + ("" if of_one else f" of {reports[0]['about']['name']}") + sizes[0] * uneven
    head = ["measure", *(r["about"]["name"] + size * uneven for r, size in zip(reports, sizes, strict=True)), floor]
    rows = []
    for key in keys:
        first = next(r[key] for r in reports if key in r)
        cells = [f"{written(r[key])}{'' if r[key]['told_apart'] else ' *'}" if key in r else "-" for r in reports]
        rows.append([first["title"], *cells, written(first, first["floor"])])
    return head, rows


def write_comparison(reports: list[dict[str, Any]], out: Path) -> Path:
    """comparison.html and comparison.json in `out`."""
    head, rows = comparison(reports)
    style = resources.files("idcgan").joinpath("report.css").read_text(encoding="utf-8")
    lines = [f"<th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}" for row in rows]
    cells = "".join(f"<tr>{line}</tr>" for line in lines)
    titles = "".join(f"<th>{escape(h)}</th>" for h in head)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Runs compared</title><style>{style}</style></head><body><main>'
        f"<h1>Runs compared</h1><p>* real films cannot be told apart. Not for diagnosis.</p>"
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table></div></main></body></html>\n'
    )
    write_json(out / "comparison.json", {"head": head, "rows": rows})
    atomically(out / "comparison.html", lambda p: p.write_text(page, encoding="utf-8"))
    return out / "comparison.html"
