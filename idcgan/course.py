"""What every notebook of the course needs: its place on the way of the data, sources read aloud, exercises that check themselves."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from .errors import InputError
from .plots import D_COLOUR, show

if TYPE_CHECKING:
    from .records import RunFolder

STAGES = {
    "films": "films",
    "pyramid": "pyramid\nD1 to Dn",
    "batches": "mixed\nbatches",
    "step": "train step\nG and D",
    "grow": "grow",
    "run": "run folder",
    "sample": "films out",
    "report": "report",
}
T = TypeVar("T")


def tiny(full: T, small: T) -> T:
    """`small` where the environment has IDCGAN_TINY (tests: the same cells in seconds), else `full`."""
    return small if os.environ.get("IDCGAN_TINY") else full


def opening(*stages: str) -> None:
    """Show where on the way of the data a notebook is, and what it runs on. `stages`: of STAGES. Raises InputError."""
    from IPython.display import display

    names = ", ".join(STAGES[stage].replace("\n", " ") for stage in _known(stages))
    display(show(plot_way(*stages), alt=f"The way of the data from films to the report; this notebook is about: {names}."))
    print(running_on())


def run_to_judge(named: str, shelf: Path) -> RunFolder:
    """The run `named`, else the newest finished one on phantom films in `shelf` that is large enough for the measures, else one trained here.

    That takes half a minute. Raises InputError where `named` is no run.
    """
    from .config import configure
    from .records import RunFolder
    from .runs import read_runs
    from .training import train

    if named:
        return RunFolder.open(named)
    with contextlib.suppress(InputError):  # there is no such folder, or no run in it
        fit = [r.path for r in read_runs(shelf) if r.status == "finished" and 32 <= r.resolution <= 256 and r.films.startswith("phantom:")]
        if fit and tiny(True, False):
            return RunFolder.open(max(fit, key=lambda path: (path / "run.json").stat().st_mtime))
    films = tiny("phantom:normal", "phantom:normal:16")
    config = tiny(configure("laptop", films, resolutions="32,64", minutes=0.5), configure("tiny", films))
    return train(config, films, Path(tempfile.mkdtemp()) / "half-a-minute", progress=False)


def held_out_phantoms(folder: RunFolder, count: int) -> str:
    """Phantom films that a run on phantoms has not seen. Raises InputError where it was trained on other films: those have no double."""
    films = folder.run["data"]["films"]
    if not films.startswith("phantom:"):
        raise InputError(f"{folder.path.name} was trained on films of yours; name held-out ones in the parameter `real`.")
    seed = int(films.split(":")[3]) if films.count(":") > 2 else 0
    return f"phantom:{films.split(':')[1]}:{count}:{seed + 1}"


def project_folder() -> Path:
    """The folder that holds `notebooks`, seen from one of them, where runs lie; the current one where nothing is called so."""
    return next((folder for folder in (Path(".."), Path("../..")) if (folder / "notebooks").is_dir()), Path())


def mean_of(rows: Sequence[Mapping[str, float]], *names: str) -> dict[str, float]:
    """The mean of each of these columns of a history."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}


def running_on() -> str:
    """One line: versions and device. Figures repeat on the same machine and versions, not to the last digit on another."""
    import torch

    from . import __version__
    from .machine import choose_device, describe

    return f"idcgan {__version__}, Python {platform.python_version()}, torch {torch.__version__}, {describe(choose_device())}"


def plot_way(*stages: str) -> Figure:
    """The way of the data as boxes and arrows, the stages of a notebook filled. Raises InputError for a stage that is not on it."""
    lit = _known(stages)
    figure = Figure(figsize=(9, 0.95), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.5, len(STAGES) - 0.5), ylim=(-0.55, 0.55))
    axes.set_axis_off()
    for place, (name, words) in enumerate(STAGES.items()):
        on = name in lit
        fill, edge = (D_COLOUR, D_COLOUR) if on else ("white", "0.6")
        axes.add_patch(FancyBboxPatch((place - 0.36, -0.36), 0.72, 0.72, boxstyle="round,pad=0.03", fc=fill, ec=edge))
        axes.text(place, 0, words, ha="center", va="center", fontsize=8.5, color="white" if on else "0.25", weight="bold" if on else "normal")
        if place:
            axes.annotate("", (place - 0.4, 0), (place - 0.6, 0), arrowprops={"arrowstyle": "->", "color": "0.4"})
    return figure


def source(*objects: Any) -> None:
    """Show the package's own source of functions or classes, coloured: a notebook reads it aloud and holds no copy of it."""
    from IPython.display import Code, display

    for each in objects:
        display(Code(inspect.getsource(each), language="python"))


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer: a notebook shows it in colour, a terminal as a sentence."""

    passed: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'Right' if self.passed else 'Not yet'}: {self.sentence}"

    def _repr_html_(self) -> str:
        colour, sign = ("#1b7837", "&#10003;") if self.passed else ("#b35806", "&#10007;")
        style = f"border-left:4px solid {colour};padding:6px 12px;margin:4px 0"
        return f"<div style='{style}'><b style='color:{colour}'>{sign}</b> {escape(str(self))}</div>"


def exercise(check: Callable[..., str | None]) -> Callable[..., Verdict]:
    """Make of a check, which raises AssertionError("what is wrong, where to look"), one that returns a Verdict and never stops a notebook.

    The sentence that the check returns is said where all is right. NotImplementedError, which a stub raises, is an exercise that is still open.
    """

    @functools.wraps(check)
    def judged(*answers: Any) -> Verdict:
        try:
            return Verdict(True, check(*answers) or "the check passed.")
        except NotImplementedError as error:
            return Verdict(False, f"still open. {error}")
        except AssertionError as error:
            return Verdict(False, (str(error) or "the answer differs from what the check expected.").splitlines()[0])
        except Exception as error:  # whatever a student's code may raise
            return Verdict(False, f"your code raised {type(error).__name__}: {error}")

    return judged


def _known(stages: tuple[str, ...]) -> tuple[str, ...]:
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"{stage!r} is no stage of the way of the data; choose from {', '.join(STAGES)}.")
    return stages
