"""Writes the course from its masters: `make course`, or `python notebooks/masters/build.py [NAME ...]`.

A master is a notebook as text (jupytext's percent format). Cells tagged `exercise` go into the student's copy only, cells tagged `solution` into
the copy in solutions/ only. The first cell and the start page come from notebooks.toml. Nothing is run and no outputs are kept.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MASTERS = Path(__file__).resolve().parent
NOTEBOOKS = MASTERS.parent
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
START = "00_start_here"
SYNTHETIC = "Films that a network made are synthetic. They are **not for diagnosis**."


def listed() -> list[dict[str, Any]]:
    """The notebooks of notebooks.toml, in order."""
    return tomllib.loads((NOTEBOOKS / "notebooks.toml").read_text(encoding="utf-8"))["notebook"]


def built(entry: dict[str, Any]) -> dict[Path, str]:
    """The two copies of a course notebook, by path."""
    master = jupytext.read(MASTERS / f"{entry['file']}.py", fmt="py:percent")
    path = f"{entry['file']}.ipynb"
    return {
        NOTEBOOKS / path: _as_text([_head(entry, False), *_without(master.cells, "solution")]),
        NOTEBOOKS / "solutions" / path: _as_text([_head(entry, True), *_further_down(_without(master.cells, "exercise"))]),
    }


def start_page() -> dict[Path, str]:
    """The page that `make lab` opens."""
    return {NOTEBOOKS / f"{START}.ipynb": _as_text([new_markdown_cell(_start_text())])}


def everything() -> dict[Path, str]:
    """All that `make course` writes, by path."""
    files = start_page()
    for entry in listed():
        if (MASTERS / f"{entry['file']}.py").exists():
            files |= built(entry)
    return files


def _start_text() -> str:
    rows = []
    for entry in listed():
        there = (MASTERS / f"{entry['file']}.py").exists()
        solution = f"[solutions](solutions/{entry['file']}.ipynb)" if there else ""
        number = entry["file"].split("_")[0]
        rows.append(f"| {number} | [{entry['title']}]({entry['file']}.ipynb) | {entry['about']} | {entry['minutes']} | {solution} |")
    return "\n".join(
        [
            "# idcgan: the course",
            "",
            "A generative adversarial network learns chest films at 64 x 64 and grows, resolution by resolution. Step through the notebooks in",
            "order: 01 to 05 take 50 to 90 minutes each and end with exercises that check themselves; 09 and 10, about runs of yours, are shorter",
            "(there are no 06 to 08). None needs a GPU or data of yours. To begin, click a name; in a notebook, *Run → Run All Cells* goes from top",
            "to bottom, Shift-Enter cell by cell.",
            "",
            "| | notebook | about | minutes | |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            SYNTHETIC,
        ]
    )


def _head(entry: dict[str, Any], solution: bool) -> Any:
    number = entry["file"].split("_")[0]
    other = f"[{entry['title']}, to be solved](../{entry['file']}.ipynb)" if solution else "[start page](00_start_here.ipynb)"
    lines = [
        f"# {number} · {entry['title']}" + (" (with solutions)" if solution else ""),
        "",
        f"{entry['about'][0].upper()}{entry['about'][1:]}.",
        "",
        "**You will be able to**",
        "",
        *(f"- {line}" for line in entry["able"]),
        "",
        f"**Time** about {entry['minutes']} minutes with the exercises; run from top to bottom, at most {entry['run_minutes']} on two cores.",
        f"**Reads** {', '.join(f'`{path}`' for path in entry['reads'])} · {other}",
        "",
        SYNTHETIC,
    ]
    return new_markdown_cell("\n".join(lines))


def _without(cells: list[Any], tag: str) -> list[Any]:
    return [cell for cell in cells if tag not in cell.metadata.get("tags", [])]


def _further_down(cells: list[Any]) -> list[Any]:
    """The cells of a copy that lies one folder further down: links to files lead one folder up first."""
    links = re.compile(r"\]\((?!https?:|mailto:|#)")
    return [{**cell, "source": links.sub("](../", cell.source)} if cell.cell_type == "markdown" else cell for cell in cells]


def _as_text(cells: list[Any]) -> str:
    """A notebook file: no outputs, cell ids that stay the same from build to build."""
    clean = []
    for number, cell in enumerate(cells):
        tags = cell["metadata"].get("tags", [])
        clean.append({**cell, "id": f"c{number:02}", "metadata": {"tags": tags} if tags else {}})
        if cell["cell_type"] == "code":
            clean[-1] |= {"outputs": [], "execution_count": None}
    notebook = nbformat.from_dict({**new_notebook(metadata=KERNEL), "cells": clean})
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def main(names: list[str]) -> None:
    """Write what is out of date; with names, only those notebooks."""
    for path, text in everything().items():
        if names and path.stem not in names:
            continue
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(NOTEBOOKS)}")


if __name__ == "__main__":
    main(sys.argv[1:])
