"""The course: copies made from the masters, exercises whose stubs fail and whose solutions pass, the opening cell."""

import base64
import functools
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from IPython.core.formatters import DisplayFormatter

from idcgan.course import STAGES, Verdict, exercise, held_out_phantoms, opening, plot_way, run_to_judge, source, tiny
from idcgan.errors import InputError
from idcgan.plots import show
from idcgan.records import RunFolder

jupytext = pytest.importorskip("jupytext")
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
sys.path.insert(0, str(NOTEBOOKS / "masters"))
import build  # noqa: E402

MASTERS = sorted(path.stem for path in (NOTEBOOKS / "masters").glob("[0-9]*.py"))


@functools.cache
def cells_of(name: str) -> list:
    return jupytext.read(NOTEBOOKS / "masters" / f"{name}.py", fmt="py:percent").cells


def tags_of(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def exercises(name: str) -> list[tuple[str, str, str]]:
    """(stub, solution, check) of each exercise of a master."""
    found, kinds = [], ("exercise", "solution", "check")
    tagged = [(next(k for k in kinds if k in tags_of(c)), c.source) for c in cells_of(name) if set(kinds) & set(tags_of(c))]
    assert len(tagged) % 3 == 0, f"{name}: an exercise is a stub, a solution and a check"
    for at in range(0, len(tagged), 3):
        assert [kind for kind, _ in tagged[at : at + 3]] == list(kinds), f"{name}: exercise, solution, check, in this order"
        found.append(tuple(text for _, text in tagged[at : at + 3]))
    return found


EXERCISES = [(name, number) for name in MASTERS for number in range(len(exercises(name)))]


def verdict_of(name: str, answer: str, check: str) -> Verdict:
    """What the check says of the answer, with nothing but the cell of imports before it."""
    (imports,) = [cell.source for cell in cells_of(name) if "imports" in tags_of(cell)]
    space: dict = {}
    exec(compile(imports, f"{name}, imports", "exec"), space)
    exec(compile(answer, f"{name}, answer", "exec"), space)
    return eval(compile(check.strip(), f"{name}, check", "eval"), space)


@pytest.mark.parametrize(("name", "number"), EXERCISES, ids=[f"{name}-{number + 1}" for name, number in EXERCISES])
def test_every_stub_fails_its_check_and_every_solution_passes(name, number):
    stub, solution, check = exercises(name)[number]
    assert "NotImplementedError" in stub
    open_, solved = verdict_of(name, stub, check), verdict_of(name, solution, check)
    assert not open_.passed
    assert "still open" in open_.sentence
    assert solved.passed, solved.sentence


@pytest.mark.parametrize("name", MASTERS)
def test_a_course_notebook_has_two_to_four_exercises(name):
    assert 2 <= len(exercises(name)) <= 4


def test_the_copies_are_those_of_the_masters():
    for path, text in build.everything().items():
        assert path.exists(), f"{path.name} is missing; run make course"
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is not what its master says; run make course"


def test_every_notebook_is_listed_and_every_listed_one_is_there():
    listed = [entry["file"] for entry in build.listed()]
    assert listed == sorted(listed)
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {*listed, build.START}
    assert {path.stem for path in (NOTEBOOKS / "solutions").glob("*.ipynb")} == set(MASTERS)


@pytest.mark.parametrize("name", MASTERS)
def test_no_copy_gives_the_solution_away(name):
    entry = next(e for e in build.listed() if e["file"] == name)
    student, solved = (text for text in build.built(entry).values())
    for stub, solution, _ in exercises(name):
        assert as_json(stub) in student
        assert as_json(solution) in solved
        assert as_json(solution) not in student
        assert as_json(stub) not in solved


def as_json(text: str) -> str:
    """The last line of a cell as it stands in a notebook file."""
    return json.dumps(text.splitlines()[-1])


def test_a_check_says_what_it_found_and_never_stops_a_notebook():
    @exercise
    def check(answer):
        assert answer() == 4, "two and two are not that."
        return "two and two are four."

    def stub():
        raise NotImplementedError("exercise 1: add.")

    assert check(stub) == Verdict(False, "still open. exercise 1: add.")
    assert check(lambda: 5) == Verdict(False, "two and two are not that.")
    assert check(lambda: 1 / 0) == Verdict(False, "your code raised ZeroDivisionError: division by zero")
    assert check(None).sentence.startswith("your code raised TypeError")
    assert str(check(lambda: 4)) == "Right: two and two are four."
    assert "&lt;b&gt;" in Verdict(False, "<b>")._repr_html_()


def test_the_way_of_the_data_lights_the_stages_that_are_named():
    def lit(*stages):
        (axes,) = plot_way(*stages).axes
        return [text.get_text() for text in axes.texts if text.get_weight() == "bold"]

    assert lit() == []
    assert lit("grow", "step") == [STAGES["step"], STAGES["grow"]]
    with pytest.raises(InputError, match="'grwo' is no stage"):
        plot_way("grwo")


def test_opening_and_source_show_what_is_there(capsys, monkeypatch):
    opening("films")
    assert "torch" in capsys.readouterr().out
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    source(tiny)
    assert shown[0].data.startswith("def tiny")


def test_a_figure_is_shown_with_its_words():
    """As an HTML image, which JupyterLab prefers: of a PNG's words it shows nothing."""
    shown = show(plot_way("films"), alt='boxes "and" arrows')
    bundle = DisplayFormatter().format(shown)[0]
    assert 'alt="boxes &quot;and&quot; arrows"' in bundle["text/html"]
    assert bundle["text/plain"] == 'boxes "and" arrows'
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["image/png"] in bundle["text/html"]


def test_tiny_is_for_tests(monkeypatch):
    monkeypatch.delenv("IDCGAN_TINY", raising=False)
    assert tiny(1000, 10) == 1000
    monkeypatch.setenv("IDCGAN_TINY", "1")
    assert tiny(1000, 10) == 10


# ---- the run that notebook 05 judges ---------------------------------------------------------------------------------------


def marked(run: Path, films: str, label_class: str = "normal") -> Path:
    facts = json.loads((run / "run.json").read_text())
    facts["data"]["films"], facts["config"]["label_class"] = films, label_class
    (run / "run.json").write_text(json.dumps(facts))
    return run


def test_the_newest_run_on_phantoms_is_judged_or_the_one_that_is_named(finished_run, tmp_path, monkeypatch):
    monkeypatch.delenv("IDCGAN_TINY", raising=False)
    for age, (name, films) in enumerate((("new", "phantom:normal"), ("old", "phantom:normal:12"), ("ours", "our/films"))):
        run = marked(Path(shutil.copytree(finished_run, tmp_path / "runs" / name)), films)
        os.utime(run / "run.json", (1e9 - age, 1e9 - age))
    assert run_to_judge("", tmp_path / "runs").path.name == "new"
    assert run_to_judge(str(tmp_path / "runs" / "ours"), tmp_path / "runs").path.name == "ours"
    with pytest.raises(InputError, match="nowhere"):
        run_to_judge("nowhere", tmp_path / "runs")


@pytest.mark.usefixtures("quick")
def test_without_such_a_run_one_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("IDCGAN_TINY", "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = run_to_judge("", tmp_path / "no-runs")
    assert (folder.run["status"], held_out_phantoms(folder, 12)) == ("finished", "phantom:normal:12:1")


def test_the_class_of_held_out_phantoms_is_that_of_the_films(run_copy):
    """A config that was made in Python may not say it."""
    run = marked(run_copy, "phantom:abnormal:12:4", label_class="")
    assert held_out_phantoms(RunFolder.open(run), 9) == "phantom:abnormal:9:5"


def test_films_of_ones_own_have_no_double(run_copy):
    with pytest.raises(InputError, match="run was trained on films of yours; name held-out ones"):
        held_out_phantoms(RunFolder.open(marked(run_copy, "our/films")), 12)
