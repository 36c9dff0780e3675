"""Tables 1-4 of the paper: what it reports, and beside it what our runs came to.

The values under `reported` are the paper's; docs/paper.md says where they contradict each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .config import preset
from .records import RunFolder
from .runs import Run
from .runs_table import duration
from .schedule import Schedule

Row = tuple[str, str, str, str]  # what, reported, ours, why ours is read so


@dataclass(frozen=True)
class Training:
    """One of the paper's four trainings. `table` has its parameters and `figure` its losses; 0: the paper shows none."""

    label_class: str
    epochs: int
    table: int
    figure: int
    time: str  # Table 4

    @property
    def name(self) -> str:
        """As the presets and the runs of grids/paper.yaml are called: normal-15."""
        return f"{self.label_class}-{self.epochs}"

    def describe(self) -> str:
        """normal, 15 epochs."""
        return f"{self.label_class}, {self.epochs} epochs"


TRAININGS = (
    Training("normal", 15, 1, 2, "4 hours 48 min"),
    Training("normal", 20, 2, 3, "6 hours 13 min"),
    Training("abnormal", 20, 3, 4, "NA"),
    Training("abnormal", 10, 0, 0, "2 hours 21 min"),
)
TITLES = {
    1: "Table 1: input parameters, normal films, I",
    2: "Table 2: input parameters, normal films, II",
    3: "Table 3: input parameters, abnormal films",
    4: "Table 4: time taken",
}
FILMS = {"normal": 138, "abnormal": 76}  # section 4; Table 3 says 138


def paper_runs(runs: Sequence[Run]) -> dict[str, Run]:
    """The finished runs that are the paper's trainings, by `Training.name`: the same class and number of epochs.

    Of several, the one that went to the highest level; of these, the first by name. A training without a run is left out.
    """
    found: dict[str, Run] = {}
    for training in TRAININGS:
        asked = ("finished", training.label_class, training.epochs)
        same = [run for run in runs if (run.status, run.label_class, run.config.get("epochs")) == asked]
        if same:
            found[training.name] = min(same, key=lambda run: (-run.resolution, run.name))
    return found


def parameter_table(training: Training, run: Run | None) -> list[Row]:
    """Tables 1-3, a row per parameter; ours is what the run's folder holds."""
    config = run.config if run else {}
    count = RunFolder.open(run.path).run["data"]["count"] if run else None
    samples = "section 4 gives this class 76" if training.label_class == "abnormal" else ""
    width = "at the last hidden layer of the top level, doubling towards the latent (G) and the logit (D)"
    whole = "of the whole run, shared evenly by the levels" if config.get("epochs_for", "run") == "run" else "at every level"
    rows = [
        ("Number of samples", "138", count, samples),
        ("Batch size", "8", config.get("batch_size"), ""),
        ("Learning rate", "0.0001", config.get("learning_rate"), "Adam, beta1 0.5 (DCGAN); the paper names no optimiser"),
        ("Number of channels", "1", config.get("channels"), ""),
        ("Size of feature maps in generator", "8", config.get("feature_maps_g"), width),
        ("Size of feature maps in discriminator", "8", config.get("feature_maps_d"), width),
        ("Number of epochs", str(training.epochs), config.get("epochs"), whole),
    ]
    return [(what, reported, _plain(ours), why) for what, reported, ours, why in rows]


def settings_table() -> str:
    """The four trainings as the presets have them, and the steps that follow from the films of section 4, as Markdown."""
    lines = ["| where | preset | films | batch | learning rate | maps G, D | epochs | steps here | Table 4 |", "|" + " --- |" * 9]
    for training in TRAININGS:
        config, films = preset(f"paper-{training.name}"), FILMS[training.label_class]
        where = f"Table {training.table}, Figure {training.figure}" if training.table else "Table 4 only"
        steps = sum(Schedule.plan(config, films).steps)
        row = (where, f"`{config.preset}`", films, config.batch_at(0), f"{config.learning_rate:g}",
               f"{config.feature_maps_g}, {config.feature_maps_d}", config.epochs, steps, training.time)  # fmt: skip
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def time_table(runs: dict[str, Run]) -> list[Row]:
    """Table 4. The paper's times are of another processor (13th generation i5, 6 cores): minutes do not compare, their order may."""
    rows = []
    for training in TRAININGS:
        run = runs.get(training.name)
        ours = f"{duration(run.value('seconds'))}, {run.value('steps'):,} steps, to {run.resolution} x {run.resolution}" if run else "no run"
        why = "Table 3 has these 20 epochs, Table 4 has no time for them" if training.time == "NA" else ""
        rows.append((training.describe(), training.time, ours, why))
    return rows


def tables(runs: dict[str, Run]) -> dict[int, list[Row]]:
    """All four, by number."""
    made = {training.table: parameter_table(training, runs.get(training.name)) for training in TRAININGS if training.table}
    return {**made, 4: time_table(runs)}


def as_markdown(number: int, rows: list[Row]) -> str:
    """One table under its title."""
    lines = [f"### {TITLES[number]}", "", "| | reported | ours | read as |", "| --- | --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def missing(runs: dict[str, Run]) -> list[str]:
    """A sentence for each training without a finished run."""
    return [
        f"There is no finished run with {training.describe()}; idcgan batch grids/paper.yaml makes it."
        for training in TRAININGS
        if training.name not in runs
    ]


def write_tables(runs: dict[str, Run], path: Path) -> None:
    """The four tables as one Markdown file. Raises WorkError."""
    from .checkpoint import atomically

    head = "Made by notebook 10 from runs of `grids/paper.yaml`. Reported: the paper; ours: what the runs' folders hold."
    text = "\n\n".join([head, *(as_markdown(number, rows) for number, rows in tables(runs).items()), *missing(runs)]) + "\n"
    atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _plain(value: object) -> str:
    if value is None:
        return "no run"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
