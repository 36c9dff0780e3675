"""Notebook 04 as a run: papermill in a process of its own, the run folder it leaves, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from conftest import history_of

from idcgan.batch import check_parameters, execute
from idcgan.config import preset
from idcgan.errors import InputError, WorkError
from idcgan.records import RunFolder

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "04_incremental_training.ipynb"


def parameters(out: Path, **changes):
    return {"films": "phantom:normal:12", "preset": "tiny", "out": str(out), **changes}


def in_papermills_place(folder: Path, monkeypatch, code: str) -> None:
    """From now on `python -m papermill` is this code."""
    (folder / "papermill.py").write_text(f"import pathlib, sys\n{code}")
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{Path(__file__).resolve().parents[1]}")


def test_make_run_leaves_the_executed_notebook_and_everything_else(tmp_path):
    """The first command of the README; this Python takes the place of .venv, which is not to be set up."""
    out = tmp_path / "run"
    command = ["make", "-o", ".venv/ready", "run", f"BIN={Path(sys.executable).parent}", "FILMS=phantom:normal:12", "PRESET=tiny", "SEED=3",
               f"OUT={out}", "SET=blur=true ema=0.8"]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    said = subprocess.run(command, cwd=NOTEBOOK.parents[1], capture_output=True, text=True, timeout=170, env=environment)
    assert said.returncode == 0, said.stderr
    assert f"{out}: finished" in said.stdout
    run = json.loads((out / "run.json").read_text())
    assert run["data"]["count"] == 12
    assert (run["status"], run["config"]["seed"], run["config"]["blur"], run["config"]["ema"]) == ("finished", 3, True, 0.8)
    names = {p.name for p in out.iterdir()}
    assert {"notebook.ipynb", "run.json", "history.csv", "checkpoint.pt", "losses.png", "timelapse.png", "samples"} <= names
    assert "stderr.txt" not in names
    executed = nbformat.read(out / "notebook.ipynb", 4)
    pictures = [o for c in executed.cells if c.cell_type == "code" for o in c.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= 5


@pytest.mark.parametrize(
    "changes",
    [
        {"resolutions": "32", "changes": "projected=true patches=true"},
        {"resolutions": "64,128", "epochs": 2, "changes": "crops_from=128 crop=64 fine_head=true detail=16"},
    ],
    ids=["one level, as quick and recommended", "crops above it, as long"],
)
def test_a_run_that_is_not_grown_goes_through_the_notebook_too(tmp_path, changes):
    out = tmp_path / "run"
    assert execute(NOTEBOOK, parameters(out, **changes), out, progress=False) == "finished"
    executed = nbformat.read(out / "notebook.ipynb", 4)
    said = "".join(o.get("text", "") for c in executed.cells if c.cell_type == "code" for o in c.outputs)
    assert "is not grown to that" in said


def test_a_run_that_jumps_logs_nothing_and_saves_no_moment_goes_through_the_notebook_too(tmp_path):
    out = tmp_path / "run"
    assert execute(NOTEBOOK, parameters(out, changes="transition=jump log_every=1000 moments=0"), out, progress=False) == "finished"
    assert (history_of(out), [path.name for path in out.glob("samples/*moment*")]) == ([], [])


def test_a_notebook_of_the_user_in_the_folder_is_not_written_over(tmp_path):
    (tmp_path / "notebook.ipynb").write_text("mine")
    with pytest.raises(InputError, match=r"holds a notebook\.ipynb"):
        execute(NOTEBOOK, parameters(tmp_path), tmp_path, progress=False)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("notebook.ipynb", "mine")]


def test_an_unknown_parameter_is_refused_before_anything_is_made(tmp_path):
    with pytest.raises(InputError, match="learning_rat"):
        execute(NOTEBOOK, parameters(tmp_path / "run", learning_rat=1), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_a_notebook_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"nowhere\.ipynb"):
        check_parameters(Path("nowhere.ipynb"), {})


def test_a_failing_cell_is_one_sentence(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(WorkError, match=r"the notebook failed: .*no folder.*") as caught:
        execute(NOTEBOOK, parameters(out, films=str(tmp_path / "missing")), out, progress=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("before", [[".git/config"], [], None])
def test_what_lay_in_the_folder_of_a_run_that_never_began_stays(tmp_path, monkeypatch, before):
    """A run in a project that holds hidden files and nothing else; papermill leaves half a notebook, and its first cell fails."""
    in_papermills_place(tmp_path, monkeypatch, "next(pathlib.Path(word) for word in sys.argv if word.endswith('notebook.ipynb')).write_text('{}')\n"
                                               "sys.exit('InputError: there is no folder missing')\n")  # fmt: skip
    out = tmp_path / "run"
    for name in before or []:
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("mine")
    if before == []:
        out.mkdir()
    with pytest.raises(WorkError, match="the notebook failed: there is no folder missing"):
        execute(NOTEBOOK, parameters(out), out, progress=False)
    assert [str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()] == (before or [])
    assert out.exists() == bool(before)


@pytest.mark.parametrize(("changes", "word"), [(["epochs=5"], "epochs"), (["augment=shift, flip"], "flip")])
def test_what_the_notebook_would_not_take_is_refused_before_it_begins(tmp_path, terminal, changes, word):
    options = [part for change in changes for part in ("--set", change)]
    said = terminal("run", "phantom:normal:12", "--notebook", NOTEBOOK, "--preset", "tiny", *options, "--out", tmp_path / "run")
    assert said.code == 2
    assert word in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "run").exists()


def fake_papermill(folder: Path, monkeypatch, dies: int) -> Path:
    """In papermill's place, a module that says what papermill says of a dead kernel, `dies` times, and then ends well."""
    in_papermills_place(folder, monkeypatch,
        f"tried = pathlib.Path({str(folder / 'tried.txt')!r})\n"
        "times = len(tried.read_text().split()) if tried.exists() else 0\n"
        "tried.write_text('again ' * (times + 1))\n"
        f"sys.exit('RuntimeError: Kernel died before replying to kernel_info' if times < {dies} else 0)\n"
    )  # fmt: skip
    return folder / "tried.txt"


@pytest.mark.parametrize("dies", [0, 2, 3])
def test_a_kernel_that_never_began_is_started_again(tmp_path, monkeypatch, dies):
    tried = fake_papermill(tmp_path, monkeypatch, dies)
    out = tmp_path / "run"
    if dies < 3:
        assert execute(NOTEBOOK, parameters(out), out, progress=False, go_on=True) == "finished"
    else:
        with pytest.raises(WorkError, match="the notebook failed: Kernel died before replying"):
            execute(NOTEBOOK, parameters(out), out, progress=False, go_on=True)
    assert len(tried.read_text().split()) == min(dies + 1, 3)


def test_a_run_that_cannot_be_gone_on_with_has_failed(tmp_path, monkeypatch):
    """What an earlier attempt wrote, "interrupted", is not what became of this one."""
    in_papermills_place(tmp_path, monkeypatch, "sys.exit('InputError: device is cuda, which PyTorch does not find here')\n")
    out = tmp_path / "run"
    run = RunFolder.create(out, preset("tiny"), data={})
    (out / "checkpoint.pt").touch()
    run.write(status="interrupted")
    with pytest.raises(WorkError, match="the notebook failed: device is cuda, which PyTorch does not find here"):
        execute(NOTEBOOK, parameters(out), out, progress=False, go_on=True)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "idcgan", "run", "phantom:normal:12", "--notebook", str(NOTEBOOK), "--preset", "tiny",
               "--minutes", "5", "--out", str(out)]  # fmt: skip
    # a shell that starts the tests in the background has them ignore Ctrl-C, and the run would inherit that
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 60
    while not ((out / "run.json").exists() and '"progress"' in (out / "run.json").read_text()):
        time.sleep(0.2)
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline, "training did not begin within a minute"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this step" in said
    assert f"go on with: idcgan train --resume {out}" in " ".join(said.split())
    assert json.loads((out / "run.json").read_text())["status"] == "interrupted"
    assert (out / "checkpoint.pt").exists()
