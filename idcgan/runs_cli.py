"""What `idcgan runs` does, in order: read, choose, sort, write the files that were asked for, and say it."""

from __future__ import annotations

from pathlib import Path

from . import compare, runs_table
from .errors import InputError
from .runs import find, read_runs


def tell(folder: Path, sort: str = "", where: list[str] | None = None, pair: tuple[str, str] | None = None, csv_file: Path | None = None,
         html: Path | None = None) -> str:  # fmt: skip
    """The text for the terminal; CSV and page are written on the way. Raises InputError, WorkError."""
    found = read_runs(folder)
    chosen = runs_table.choose(found, where or [])
    ordered, place, said = runs_table.order(chosen, sort) if chosen else ([], {}, [])
    two = (find(found, pair[0]), find(found, pair[1])) if pair else None
    for path in filter(None, (csv_file, html)):
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise InputError(f"{path} cannot be written: {'it is a folder' if path.is_dir() else 'its folder is not there'}; name another file.")
    if two:
        lines = [compare.as_text(*two)]
    elif chosen:
        lines = [runs_table.as_text(ordered, place), "", runs_table.summary(chosen), *said]
    else:
        lines = [f"None of {len(found)} runs has {' and '.join(where or [])}."]
    if csv_file:
        runs_table.write_csv(ordered, csv_file)
        lines.append(f"{csv_file}: every parameter and figure of {len(ordered):,} runs")
    if html:
        from .runs_page import write_page

        write_page(ordered, place, said, html, two)
        lines.append(f"{html}: the page, for any browser")
    return "\n".join(lines)
