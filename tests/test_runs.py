"""The index of runs: every run folder is listed, read once, put in order, and none is lost for being damaged."""

import builtins
import csv
import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idcgan import compare, runs_page, runs_table
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.plots import plot_loss_curves
from idcgan.records import COLUMNS, RunFolder, grid
from idcgan.run_record import films_of
from idcgan.runs import read_runs

LEVELS = {"16": {"steps": 10, "seconds": 2.0, "swd": 30.0, "swd_floor": 10.0, "variety": 0.9},
          "32": {"steps": 5, "seconds": 3.0, "swd": 40.0, "swd_floor": 20.0, "variety": 0.8}}  # fmt: skip


def write_run(folder: Path, *, status: str = "finished", levels: dict | None = None, films: str = "phantom:normal:16", more: dict | None = None,
              data: dict | None = None, **changes) -> Path:  # fmt: skip
    """A run folder as RunFolder leaves it, with a history and grids, but without networks."""
    config = preset("tiny", **changes)
    run = RunFolder.create(folder, config, data={"films": films, "count": 16, "fingerprint": "f", **(data or {})}, device_type="cpu")
    run.run["levels"] = LEVELS if levels is None else levels
    for resolution in run.run["levels"]:
        noise = np.random.default_rng(config.seed).integers(0, 256, (config.samples, 1, int(resolution), int(resolution)), dtype=np.uint8)
        run.save_grid(f"{int(resolution):04d}", noise)
    for step in range(1, 9):
        run.log({**dict.fromkeys(COLUMNS, 0.5), "level": 1, "resolution": 16, "step": step, "loss_d": 1.0 / step, "loss_g": float(step)})
    run.write(status=status, **{"seconds": 12.5, "final": {"loss_d": 0.7, "loss_g": 1.1, "d_real": 0.6, "d_fake": 0.4}, **(more or {})})
    return folder


def write_report(run: Path, kid: float, held_out: str = "h", **more) -> None:
    """As much of an evaluation as the index reads."""
    measure = {"title": "KID", "family": "fidelity", "value": kid, "interval": [kid - 1, kid + 1], "floor": 0.5, "told_apart": True, "worse": "high"}
    (run / "evaluation").mkdir(exist_ok=True)
    about = {"fingerprints": {"held_out": held_out}, "features": "some", "resolution": 32, "compared": 12}
    (run / "evaluation" / "report.json").write_text(json.dumps({"about": about, "kid": measure, **more}))


@pytest.fixture
def several(tmp_path) -> Path:
    """Five runs: finished, better, failed with a record, failed without, damaged; and things that are none."""
    folder = tmp_path / "runs"
    write_run(folder / "a", more={"warnings": ["the fakes look <alike>."]})
    write_run(folder / "batch" / "b", learning_rate=0.001, levels={**LEVELS, "32": {**LEVELS["32"], "swd": 25.0}})
    write_run(folder / "batch" / "c", status="failed", levels={}, more={"error": "the losses are not numbers\nany more.", "final": {}})
    (folder / "batch" / "d").mkdir()
    (folder / "batch" / "d" / "failure.txt").write_text("unknown field 'ema2'; did you mean 'ema'?\n")
    (folder / "e").mkdir()
    (folder / "e" / "run.json").write_text('{"status": "fin')
    (folder / "batch" / "batch.json").write_text("{}")
    write_run(folder / "pyramids" / "not-searched")
    write_run(folder / "a" / "evaluation" / "inside-of-a-run")
    return folder


def named(folder: Path) -> dict:
    return {run.name: run for run in read_runs(folder)}


def test_every_run_is_listed_and_nothing_else(several):
    runs = named(several)
    assert {name: run.status for name, run in runs.items()} == {
        "a": "finished", "batch/b": "finished", "batch/c": "failed", "batch/d": "failed", "e": "damaged",
    }  # fmt: skip
    assert runs["batch/c"].sentence == "the losses are not numbers any more."
    assert runs["batch/d"].sentence == "unknown field 'ema2'; did you mean 'ema'?"
    assert "run.json is damaged" in runs["e"].sentence
    assert runs["a"].warnings == ("the fakes look <alike>.",)
    found = runs["a"].figures
    assert (found["resolution"], found["steps"], found["seconds"], found["distance"], found["loss_g"]) == (32, 15, 12.5, 2.0, 1.1)
    assert runs["a"].grid == several / "a" / "samples" / "0032.png"
    assert runs["batch/c"].grid is None
    assert len(runs["a"].history()) == 8
    assert [row["step"] for row in runs["a"].history(most=3)] == [1, 4, 8]


@pytest.mark.parametrize(
    ("content", "word"),
    [("", "Expecting value"), ("[]", "damaged"), ('{"status": "finished"}', "'levels' is missing"), ('{"levels": 3}', "damaged"),
     ('{"status": "finished", "levels": {"x": {}}, "config": {}, "warnings": []}', "invalid literal"),
     ('{"status": "finished", "levels": {"16": {}}, "config": {}, "warnings": []}', "'steps' is missing"),
     ('{"status": "finished", "levels": {}, "config": 7, "warnings": []}', "damaged"), ("\udcff", "damaged")],
)  # fmt: skip
def test_a_damaged_record_does_not_stop_the_list(tmp_path, terminal, content, word):
    write_run(tmp_path / "runs" / "whole")
    (tmp_path / "runs" / "torn").mkdir()
    (tmp_path / "runs" / "torn" / "run.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    runs = named(tmp_path / "runs")
    assert runs["whole"].status == "finished"
    assert (runs["torn"].status, word in runs["torn"].sentence) == ("damaged", True), runs["torn"].sentence
    said = terminal("runs", tmp_path / "runs", "--html", tmp_path / "page.html", "--csv", tmp_path / "runs.csv")
    assert (said.code, said.err) == (0, "")
    assert "torn damaged: " in said.out
    assert "2 runs: 1 finished, 1 damaged" in said.out


def test_running_or_stopped(tmp_path):
    now, long_ago = time.strftime("%Y-%m-%dT%H:%M:%S%z"), "2020-01-01T00:00:00+0000"
    for name, updated in (("fresh", now), ("silent", long_ago), ("held", long_ago), ("undated", "")):
        run = RunFolder.open(write_run(tmp_path / name, status="running"))
        (run.path / "run.json").write_text(json.dumps({**run.run, "updated": updated}))
    for name in ("silent", "held"):  # a killed process leaves its lock file behind, but nobody holds it
        (tmp_path / name / ".lock").touch()
    with open(tmp_path / "held" / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (tmp_path / "held" / "failure.txt").write_text("of the attempt before.")
        states = {name: run.status for name, run in named(tmp_path).items()}
    assert states == {"fresh": "running", "silent": "stopped", "held": "running", "undated": "stopped"}
    assert named(tmp_path)["held"].status == "failed", "a batch says that it failed, and nobody works on it"


@pytest.mark.parametrize("answer", [errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS])
def test_where_a_file_system_has_no_locks_a_killed_run_is_stopped_all_the_same(tmp_path, monkeypatch, answer):
    run = RunFolder.open(write_run(tmp_path / "killed", status="running"))
    (run.path / "run.json").write_text(json.dumps({**run.run, "updated": "2020-01-01T00:00:00+0000"}))
    (run.path / ".lock").touch()

    def refuse(*_):
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert named(tmp_path)["killed"].status == "stopped"
    with run.locked():  # and it can be gone on with
        assert (run.path / ".lock").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder.")
def test_a_closed_folder_is_no_run_and_a_closed_record_does_not_tell_where_it_lies(tmp_path, terminal):
    shut, record = tmp_path / "runs" / "lost+found", write_run(tmp_path / "runs" / "kept") / "run.json"
    shut.mkdir(mode=0)
    record.chmod(0)
    try:
        said = terminal("runs", tmp_path / "runs", "--html", tmp_path / "page.html")
    finally:
        shut.chmod(0o700)
    assert "1 run: 1 damaged" in said.out
    assert "Permission denied" in said.out
    assert str(tmp_path) not in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_record_that_is_a_folder_does_not_tell_where_it_lies(tmp_path):
    (tmp_path / "odd" / "run.json").mkdir(parents=True)
    run = named(tmp_path)["odd"]
    assert run.status == "damaged"
    assert str(tmp_path) not in run.sentence


def test_a_name_that_is_no_utf_8_is_listed(tmp_path, terminal):
    write_run(tmp_path / "runs" / "whole", more={"warnings": ["\udcfc.png is left out."]})
    for name in (b"r\xfc", b"r\xf6"):
        try:
            os.rename(write_run(tmp_path / "runs" / "x"), os.fsencode(tmp_path / "runs") + b"/" + name)
        except OSError:
            pytest.skip("this file system takes no such name.")
    said = terminal("runs", tmp_path / "runs", "--html", tmp_path / "page.html", "--csv", tmp_path / "runs.csv")
    assert (said.code, said.err) == (0, "")
    assert "3 runs: 3 finished" in said.out
    runs = named(tmp_path / "runs")
    assert len(runs) == 3, "two names became one"
    assert all((run.path / "run.json").is_file() for run in runs.values())
    assert "data:image/jpeg" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_two_thousand_runs_are_read_once_each(tmp_path, monkeypatch):
    text = (write_run(tmp_path / "first") / "run.json").read_text()
    for number in range(2000):
        (tmp_path / f"{number:04}" / "samples").mkdir(parents=True)
        (tmp_path / f"{number:04}" / "run.json").write_text(text)
    opened, scanned, real_open, real_scandir = [], [], builtins.open, runs_scandir()
    monkeypatch.setattr(builtins, "open", lambda path, *rest, **more: opened.append(str(path)) or real_open(path, *rest, **more))
    monkeypatch.setattr("os.scandir", lambda path: scanned.append(str(path)) or real_scandir(path))
    assert len(read_runs(tmp_path)) == 2001
    records = [path for path in opened if path.endswith("run.json")]
    assert len(records) == len(set(records)) == 2002, "a run.json was read twice (one more is looked for in the folder itself)"
    assert scanned == [str(tmp_path)], "the inside of a run was searched"
    assert len(opened) <= 3 * 2002, "more than run.json, failure.txt and an evaluation was opened"


def runs_scandir():
    import os

    return os.scandir


def test_a_list_loads_neither_torch_nor_matplotlib(several):
    script = "import sys; sys.argv[0] = 'idcgan'\nfrom idcgan.cli import main\ntry: main()\nexcept SystemExit as end: assert not end.code\n"
    script += "print([name for name in ('torch', 'matplotlib', 'numpy', 'IPython') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script, "runs", str(several)], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# ---- order -----------------------------------------------------------------------------------------------------------


def test_best_first_among_equals(several):
    write_run(several / "abnormal", films="phantom:abnormal:16", label_class="abnormal", levels={**LEVELS, "32": {**LEVELS["32"], "swd": 21.0}})
    ordered, place, said = runs_table.order(read_runs(several))
    assert [run.name for run in ordered] == ["abnormal", "batch/b", "a", "batch/c", "batch/d", "e"]
    assert place == {"abnormal": 1, "batch/b": 1, "a": 2}
    assert "phantom:abnormal:16 at 32; phantom:normal:16" in said[1]


SAME_NAME = {"count": {"count": 17}, "folder": {"pyramid": "/p/others-0a1b2c3d"}, "content": {"fingerprint": "g"}}


@pytest.mark.parametrize("what", SAME_NAME)
def test_other_films_of_the_same_name_are_not_ranked_together(tmp_path, what):
    for name, data in (("a", {}), ("b", SAME_NAME[what])):
        write_run(tmp_path / name, films=".", data={"pyramid": "/p/chests-01234567", **data})
    runs = named(tmp_path)
    _, place, said = runs_table.order(list(runs.values()))
    assert place == {"a": 1, "b": 1}
    assert "chests, 16 films" in said[1]
    assert "films differ" in compare.caveats(runs["a"], runs["b"])[0]


def test_the_same_films_at_other_levels_are_ranked_together(tmp_path):
    """Their pyramids have other names and fingerprints: whether growing pays is what such runs are made for."""
    write_run(tmp_path / "grown", films=".", data={"pyramid": "/p/chests-01234567", "fingerprint": "f"})
    write_run(tmp_path / "at once", films=".", data={"pyramid": "/p/chests-89abcdef", "fingerprint": "g"}, resolutions="32",
              levels={"32": {**LEVELS["32"], "swd": 21.0}})  # fmt: skip
    runs = named(tmp_path)
    assert runs_table.order(list(runs.values()))[1] == {"at once": 1, "grown": 2}
    assert compare.caveats(runs["at once"], runs["grown"]) == []


@pytest.mark.parametrize(("films", "name"), [("C:\\data\\chests", "chests, 16 films"), ("/data/chests/", "chests, 16 films"), ("..", "p, 16 films"),
                                             ("phantom:normal:16:3", "phantom:normal:16:3")])  # fmt: skip
def test_films_are_called_by_the_last_part_of_their_folder(films, name):
    assert films_of({"films": films, "count": 16, "pyramid": "C:\\runs\\pyramids\\p-01234567"}) == name


def test_distances_by_other_numbers_of_films_do_not_compare(tmp_path):
    for name, samples in (("few", 4), ("many", 36), ("as many", 24)):
        write_run(tmp_path / name, films="chests", data={"count": 138}, samples=samples)
    runs = named(tmp_path)
    words = "measured with other numbers of films (4,24): they do not compare"
    for sort in ("", "distance"):
        assert words in runs_table.order(list(runs.values()), sort)[2][-1]
    assert words in " ".join(compare.caveats(runs["few"], runs["many"]))
    assert compare.caveats(runs["as many"], runs["many"]) == []
    assert len(runs_table.order([runs["as many"], runs["many"]])[2]) == 1
    write_report(tmp_path / "few", 3.0)
    assert len(runs_table.order(read_runs(tmp_path))[2]) == 1, "it is ranked by KID now"


def test_an_evaluation_goes_before_the_glance(several):
    write_report(several / "a", kid=7.0)
    ordered, place, said = runs_table.order(read_runs(several))
    assert (ordered[0].name, place["a"], place["batch/b"]) == ("a", 1, 2)
    assert said == [said[0]]
    assert "KID" in said[0]
    write_report(several / "batch" / "b", kid=3.0, held_out="others", precision={"family": "fidelity", "value": 0.25, "worse": "low"})
    ordered, _, said = runs_table.order(read_runs(several))
    assert ordered[0].name == "batch/b"
    assert "do not compare" in said[-1]
    assert ordered[0].value("evaluation_precision") == 0.25
    assert ordered[0].value("precision") == "auto", "the field of the config keeps its name"


def test_sort_and_where(several, terminal):
    write_run(several / "z", films="phantom:abnormal:16", label_class="abnormal", resolutions="16,32,64", seed=5)
    write_report(several / "z", 1.0, recall={"family": "diversity", "value": 0.5, "worse": "low"})
    runs = read_runs(several)
    for sort, first in (("learning_rate", "a"), ("-learning_rate", "batch/b"), ("-seed", "z"), ("distance", "batch/b"), ("resolutions", "a")):
        ordered, place, _ = runs_table.order(runs, sort)
        assert (ordered[0].name, place) == (first, {}), sort
        assert len(ordered) == len(runs)
    assert runs_table.order(runs, "recall")[2][0] == "Sorted by recall, highest first."
    assert "do not compare" in runs_table.order(runs, "distance")[2][1]
    assert len(runs_table.order(runs, "seconds")[2]) == 1
    for where, names in ((["seed=5"], ["z"]), (["resolutions=16,32,64"], ["z"]), (["status=FAILED"], ["batch/c", "batch/d"]),
                         (["learning_rate=1e-3"], ["batch/b"]),
                         (["blur=false", "seed=0"], ["a", "batch/b", "batch/c"]), (["seed=9"], [])):  # fmt: skip
        assert [run.name for run in runs_table.choose(runs, where)] == names, where
    said = terminal("runs", several, "--where", "seed=9", "--where", "blur=true")
    assert (said.code, said.out) == (0, "None of 6 runs has seed=9 and blur=true.\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--sort", "learnin_rate"), "did you mean 'learning_rate'?"), (("--where", "labelclass=normal"), "did you mean 'label_class'?"),
     (("--where", "seed"), "FIELD=VALUE"), (("--sort", "qqq"), "there are name, status"), (("--compare", "a", "batch/x"), "no run 'batch/x'"),
     (("--csv", "no/such/folder/x.csv"), "its folder is not there"), (("--html", "."), "it is a folder")],
)  # fmt: skip
def test_wrong_options_are_one_sentence(several, terminal, options, words):
    said = terminal("runs", several, *options)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_a_folder_without_runs(tmp_path, terminal):
    for folder, words in ((tmp_path, "holds no run"), (tmp_path / "nowhere", "is not a folder")):
        said = terminal("runs", folder)
        assert (said.code, len(said.err.splitlines()), words in said.err) == (2, 1, True)


# ---- table, CSV, two side by side ------------------------------------------------------------------------------------


def test_the_table_shows_what_differs(several, terminal):
    lines = terminal("runs", several).out.splitlines()
    assert lines[0].split() == ["place", "name", "status", "learning_rate", "top", "level", "steps", "time", "x", "floor", "variety", "loss", "D",
                                "loss", "G", "warnings"]  # fmt: skip
    assert lines[1].split() == ["1", "batch/b", "finished", "0.001", "32", "15", "12", "s", "1.25", "0.800", "0.700", "1.10", "0"]
    assert "batch/d failed: unknown field 'ema2'; did you mean 'ema'?" in lines
    assert "5 runs: 2 finished, 2 failed, 1 damaged" in lines


def test_csv(several, terminal, tmp_path):
    assert terminal("runs", several, "--csv", tmp_path / "runs.csv").code == 0
    with open(tmp_path / "runs.csv", newline="", encoding="utf-8") as handle:
        rows = {row["name"]: row for row in csv.DictReader(handle)}
    assert len(rows) == 5
    assert (rows["batch/b"]["learning_rate"], rows["a"]["resolutions"], rows["a"]["distance"]) == ("0.001", "16,32", "2.0")
    assert rows["batch/c"]["sentence"] == "the losses are not numbers any more."
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs", "runs.csv"]


def test_two_side_by_side(several, terminal):
    said = terminal("runs", several, "--compare", "a", "batch/b").out
    lines = [line.split() for line in said.splitlines()]
    assert ["learning_rate", "0.0004", "0.001"] in lines
    assert "seed" not in said
    assert "level 32 5 steps, 3 s, 2.00 x floor 5 steps, 3 s, 1.25 x floor" in [" ".join(line) for line in lines]
    runs = named(several)
    assert compare.about_latents(runs["a"], runs["batch/b"]).startswith("The same latents")
    curves = compare.plot_losses_together(runs["a"], runs["batch/b"])
    assert len(curves.axes[0].lines) == 4
    assert len(compare.plot_losses_together(runs["a"], runs["batch/b"], "seconds").axes) == 1
    assert [axes.get_title() for axes in compare.plot_grids_together(runs["a"], runs["batch/b"]).axes] == ["a, 32 x 32", "batch/b, 32 x 32"]
    with pytest.raises(InputError, match="no level with a sample grid in common"):
        compare.plot_grids_together(runs["a"], runs["batch/c"])
    with pytest.raises(InputError, match="has logged a step"):
        compare.plot_losses_together(runs["batch/d"], runs["e"])
    assert "a damaged" not in terminal("runs", several, "--compare", several / "a", "e").out


def test_other_classes_seeds_and_levels_are_said(several):
    write_run(several / "z", films="phantom:abnormal:16", label_class="abnormal", seed=5, levels={"16": LEVELS["16"]})
    runs = named(several)
    said = " ".join(compare.caveats(runs["a"], runs["z"]))
    assert "classes differ" in said
    assert "highest levels differ (32 and 16)" in said
    assert compare.about_latents(runs["a"], runs["z"]) == "The grids are not of the same latents: seed differs."
    assert compare.common_level(runs["a"], runs["z"]) == 16


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_holds_everything_and_fetches_nothing(several, terminal, tmp_path):
    assert terminal("runs", several, "--html", tmp_path / "page.html", "--compare", "a", "batch/b").code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "://" not in page
    assert "the fakes look &lt;alike&gt;." in page
    assert page.count("data:image/jpeg") == 2
    assert page.count("data:image/png") == 2
    assert page.count(' alt="') == page.count("<img ")
    assert str(tmp_path) not in page
    alone = terminal("runs", several, "--where", "status=damaged", "--html", tmp_path / "one.html")
    assert alone.code == 0


def test_losses_below_zero_are_drawn(tmp_path):
    """The saturating objective's and hinge's generator losses."""
    run = RunFolder.open(write_run(tmp_path / "run"))
    run.cut_history(0)
    for step in range(1, 9):
        run.log({**dict.fromkeys(COLUMNS, 0.5), "level": 1, "resolution": 16, "step": step, "loss_g": -0.3 * step})
    (found,) = read_runs(tmp_path)
    generator = runs_page._curve(found).split('class="g" points="')[1].split('"')[0].split()
    assert float(generator[0].split(",")[1]) < float(generator[-1].split(",")[1])
    assert plot_loss_curves({"run": found.history()}).axes[0].get_ylim()[0] < -0.3 * 7


def test_a_thumbnail_is_a_corner_of_the_grid(tmp_path):
    films = np.zeros((36, 1, 40, 40), np.uint8)
    films[[0, 1, 2, 3, 6, 7, 8, 9]] = 200  # the first two rows of six, four films each
    Image.fromarray(grid(films)).save(tmp_path / "grid.png")
    data, width, height = runs_page.corner(tmp_path / "grid.png", 36)
    (tmp_path / "corner.jpg").write_bytes(data)
    picture = np.asarray(Image.open(tmp_path / "corner.jpg"))
    assert (width, height) == picture.shape[::-1] == (192, 96)
    assert all(picture[24 + 48 * row, 24 + 48 * column] > 180 for row in range(2) for column in range(4))


def test_a_real_run(finished_run, terminal, tmp_path):
    said = terminal("runs", finished_run.parent, "--html", tmp_path / "page.html")
    assert said.code == 0
    assert "1 run: 1 finished" in said.out
    (run,) = read_runs(finished_run)
    assert (run.name, run.resolution, run.status) == ("run", 32, "finished")
    assert {"distance", "loss_d", "steps", "seconds"} <= run.figures.keys()
    assert 'aria-label="Losses from' in (tmp_path / "page.html").read_text(encoding="utf-8")


def _chooser():
    pytest.importorskip("ipywidgets")
    from idcgan import runs_widget

    return runs_widget


def test_the_chooser_draws_what_is_chosen(several):
    widget = _chooser()
    runs = read_runs(several)
    chooser = widget.ChooseTwo(runs, "a", "batch/b")
    losses = bytes(chooser.picture.value)
    assert losses.startswith(b"\x89PNG")
    assert "learning_rate" in chooser.text.value
    chooser.view.value = "films"
    assert bytes(chooser.picture.value).startswith(b"\x89PNG")
    assert bytes(chooser.picture.value) != losses
    chooser.b.value = "e"
    assert bytes(chooser.picture.value) == b""
    assert "no level with a sample grid in common" in chooser.text.value
    with pytest.raises(InputError, match="choose one of losses by step"):
        chooser.render("a", "batch/b", "nothing")


def test_the_chooser_says_what_it_cannot_show(several, terminal, tmp_path):
    widget = _chooser()
    runs = read_runs(several)
    with pytest.raises(InputError, match="no run 'batch/x'"):
        widget.ChooseTwo(runs, "batch/x")
    assert widget.ChooseTwo(runs, "a", str(several / "batch" / "b")).b.value == "batch/b", "a run can be named by its folder"
    grid = several / "a" / "samples" / "0032.png"
    for content in (grid.read_bytes()[:200], b"no picture"):
        grid.write_bytes(content)
        chooser = widget.ChooseTwo(runs, "a", "batch/b")
        chooser.view.value = "films"
        assert "a sample grid at 32 of a or batch/b is damaged" in chooser.text.value
        assert bytes(chooser.picture.value) == b""
        assert terminal("runs", several, "--html", tmp_path / "page.html", "--compare", "a", "batch/b").code == 0
        assert str(tmp_path) not in (tmp_path / "page.html").read_text(encoding="utf-8")
