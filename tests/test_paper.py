"""The paper's tables and figures from runs: what it reports beside ours, and what is left out where a run is not there."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idcgan import paper
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.grids import read_grid
from idcgan.paper_figures import figures, write_figure
from idcgan.runs import read_runs

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def four(finished_run, tmp_path) -> Path:
    """The finished run four times over, with the class and the epochs of the paper's trainings in its run.json."""
    for training in paper.TRAININGS:
        folder = Path(shutil.copytree(finished_run, tmp_path / "runs" / training.name))
        run = json.loads((folder / "run.json").read_text())
        run["config"] |= {"label_class": training.label_class, "epochs": training.epochs}
        (folder / "run.json").write_text(json.dumps(run))
    return tmp_path / "runs"


def test_the_presets_of_the_grid_are_the_papers_trainings():
    """grids/paper.yaml, the presets and TRAININGS name the same four, and the settings are those that the tables report."""
    grid = read_grid(ROOT / "grids" / "paper.yaml", films="phantom")
    assert set(grid.runs) == {training.name for training in paper.TRAININGS}
    for training in paper.TRAININGS:
        config = preset(grid.runs[training.name]["preset"])
        assert (config.label_class, config.epochs) == (training.label_class, training.epochs)
        assert grid.runs[training.name]["films"] == f"phantom:{training.label_class}"


def test_every_row_of_a_run_with_the_papers_setting_agrees(four):
    runs = paper.paper_runs(read_runs(four))
    config = json.loads(json.dumps(dataclasses.asdict(preset("paper-normal-15"))))
    run = dataclasses.replace(runs["normal-15"], config=config)
    rows = {what: (reported, ours) for what, reported, ours, _ in paper.parameter_table(paper.TRAININGS[0], run)}
    assert rows.pop("Number of samples") == ("138", "12")
    assert len(rows) == 6
    assert all(reported == ours for reported, ours in rows.values()), rows


def test_other_settings_are_told_and_not_hidden(four):
    rows = {what: ours for what, _, ours, _ in paper.tables(paper.paper_runs(read_runs(four)))[2]}
    assert rows["Learning rate"] == "0.0004"
    assert rows["Batch size"] == "4"
    assert rows["Number of epochs"] == "20"


def test_runs_are_told_apart_by_class_and_epochs_and_the_highest_counts(four):
    runs = read_runs(four)
    lower = dataclasses.replace(runs[0], name="0-lower", levels={16: runs[0].levels[16]})
    broken = dataclasses.replace(runs[0], name="0-broken", status="failed")
    found = paper.paper_runs([lower, broken, *runs])
    assert {name: run.name for name, run in found.items()} == {name: name for name in found}
    assert len(found) == 4


def test_a_training_without_a_run_is_said_and_its_figures_left_out(four):
    shutil.rmtree(four / "normal-20")
    shutil.rmtree(four / "abnormal-20")
    shutil.rmtree(four / "abnormal-10")
    runs = paper.paper_runs(read_runs(four))
    assert paper.missing(runs)[0].startswith("There is no finished run with normal, 20 epochs;")
    assert len(paper.missing(runs)) == 3
    assert {row[2] for row in paper.tables(runs)[3]} == {"no run"}
    assert [name for name, _, _ in figures(runs)] == ["figure-1", "generator", "figure-2", "figure-5", "figure-7"]
    assert [name for name, _, _ in figures({})] == ["figure-1"]


def test_all_tables_and_figures_are_written(four, tmp_path):
    runs = paper.paper_runs(read_runs(four))
    paper.write_tables(runs, tmp_path / "tables.md")
    text = (tmp_path / "tables.md").read_text()
    for said in ("### Table 1", "### Table 4", "| normal, 15 epochs | 4 hours 48 min |", "section 4 gives this class 76"):
        assert said in text
    drawn = {name: (figure, alt) for name, figure, alt in figures(runs)}
    assert list(drawn) == ["figure-1", "generator", *(f"figure-{n}" for n in (2, 3, 4, 5, 6, 7, 8))]
    for name, (figure, alt) in drawn.items():
        assert len(alt) > 20
        write_figure(figure, tmp_path / f"{name}.png")
        assert np.asarray(Image.open(tmp_path / f"{name}.png").convert("L")).std() > 5, f"{name} is blank"


def test_films_that_are_gone_are_named(four):
    run_json = four / "normal-20" / "run.json"
    run = json.loads(run_json.read_text())
    run["data"]["pyramid"] = str(four / "gone")
    run_json.write_text(json.dumps(run))
    with pytest.raises(InputError, match="gone"):
        list(figures(paper.paper_runs(read_runs(four))))
