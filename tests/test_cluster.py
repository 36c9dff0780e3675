"""Batches on Dask: workers that die, a batch that dies, a run that fails, Ctrl-C; and a run made again from another."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import torch
import yaml
from conftest import assert_same_run, until, write_films

from idcgan import machine
from idcgan.attempt import _environment
from idcgan.batch_folder import build_pyramids, refuse, remember, status_of
from idcgan.cluster import _ended
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.grids import read_grid
from idcgan.intake import cores
from idcgan.locks import is_locked, locked
from idcgan.repeat import like
from idcgan.training import train, train_or_resume

psutil = pytest.importorskip("psutil")
pytest.importorskip("distributed")

from distributed.scheduler import KilledWorker  # noqa: E402 (where it is there)

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK_04 = ROOT / "notebooks" / "04_incremental_training.ipynb"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "3", "PYTHONPATH": str(ROOT), "JUPYTER_PLATFORM_DIRS": "1"}

# a run in few words; begun.txt and ended.txt say how often each was
RUN = """
from pathlib import Path
from idcgan import train_or_resume
from idcgan.config import configure
def note(name):
    with open(Path(out).parent / name, "a") as handle:
        handle.write(Path(out).name + "\\n")
note("begun.txt")
if fail:
    raise ValueError("asked to fail")
run = train_or_resume(configure(preset, films, epochs=epochs, seed=seed), films, out, progress=False)
note("ended.txt")
"""


def small_notebook(path: Path) -> Path:
    parameters = nbformat.v4.new_code_cell('films = "phantom:normal:12"\npreset = "tiny"\nepochs = 4\nseed = 0\nfail = False\nout = ""')
    parameters.metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(RUN)], metadata=kernel), path)
    return path


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class Processes:
    """What a test starts, and everything that those start, ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, []

    def start(self, *command: object, name: str = "process") -> subprocess.Popen:
        """A process group of its own, what it says in files."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore Ctrl-C, and it would inherit that
        with open(self.folder / f"{name}-{len(self.started)}.log", "w") as log:
            process = subprocess.Popen([sys.executable, "-m", *map(str, command)], stdout=log, stderr=log, env=ENVIRONMENT, start_new_session=True)
        signal.signal(signal.SIGINT, before)
        process.log = Path(log.name)
        self.started.append(process)
        return process

    def batch(self, grid: Path, out: Path, *options: object) -> subprocess.Popen:
        return self.start("idcgan", "batch", grid, "--out", out, "--quiet", *options, name="batch")

    def scheduler(self) -> str:
        self.start("dask", "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--no-show",
                   "--scheduler-file", self.folder / "scheduler.json", name="scheduler")  # fmt: skip
        until(lambda: words(self.folder / "scheduler.json"), 30, "the scheduler")
        return json.loads((self.folder / "scheduler.json").read_text())["address"]

    def worker(self, address: str) -> subprocess.Popen:
        return self.start("dask", "worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", self.folder, name="worker")

    def end(self) -> None:
        for process in self.started:
            for one in [*offspring(process), process]:
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    one.kill()
            process.wait(20)


def offspring(process: subprocess.Popen) -> list:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def assert_dead(processes: list, seconds: float) -> None:
    _, alive = psutil.wait_procs(processes, seconds)
    assert [one.cmdline() for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


def run_at_work(worker: subprocess.Popen, out: Path) -> Path | None:
    """The run folder that a worker's child is at, once there is a checkpoint in it."""
    said = [word for one in offspring(worker) for word in command_line(one) if word.endswith("notebook.ipynb") and str(out) in word]
    folder = Path(said[0]).parent if said else None
    return folder if folder and (folder / "checkpoint.pt").exists() and not is_done(folder) else None


def command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return []


def is_done(folder: Path) -> bool:
    return json.loads((folder / "run.json").read_text())["status"] == "finished"


@pytest.fixture
def processes(tmp_path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


def test_eight_runs_a_dead_worker_a_dead_batch_and_a_failing_run(tmp_path, processes):
    small_notebook(tmp_path / "small.ipynb")
    grid, out = tmp_path / "grid.yaml", tmp_path / "batch"
    runs = [{"name": f"run-{seed:02}", "seed": seed, **({"fail": True} if seed == 1 else {})} for seed in range(8)]
    grid.write_text(yaml.safe_dump({"notebook": "small.ipynb", "parameters": {"epochs": 20}, "runs": runs}))
    address = processes.scheduler()
    victim, _ = processes.worker(address), processes.worker(address)

    first = processes.batch(grid, out, "--scheduler", address)
    hit = until(lambda: words(out / "ended.txt") and run_at_work(victim, out), 90, "a run at the first worker")
    children = offspring(victim)
    victim.kill()
    assert len(children) >= 2, "papermill and its kernel"
    assert_dead(children, 10)
    processes.worker(address)
    until(lambda: is_done(hit), 60, "the lost run")
    until(lambda: len(words(out / "ended.txt")) >= 4, 60, "four runs")
    first.kill()

    again = processes.batch(grid, out, "--scheduler", address)
    assert again.wait(120) == 1, again.log.read_text()
    said = again.log.read_text()
    assert "7 finished, 1 failed of 8 runs" in said
    assert "run-01 failed: the notebook failed: asked to fail" in said

    ended, begun = Counter(words(out / "ended.txt")), Counter(words(out / "begun.txt"))
    assert set(ended) == {f"run-{seed:02}" for seed in range(8)} - {"run-01"}
    assert set(ended.values()) == {1}, "a run that was trained twice"
    assert begun["run-01"] == 1, "a run whose code failed is not tried again"
    assert begun.total() <= 9, "only what was hit is begun again"
    for seed in range(8):
        folder = out / f"run-{seed:02}"
        assert status_of(folder) == ("failed" if seed == 1 else "finished")
        assert {"notebook.ipynb", "stderr.txt", "parameters.json"} <= {p.name for p in folder.iterdir()}
        assert not list(folder.glob(".*"))
    assert (out / "run-01" / "failure.txt").read_text() == "the notebook failed: asked to fail\n"
    history = [line.split(",")[:3] for line in (hit / "history.csv").read_text().splitlines()]
    assert len({tuple(row) for row in history}) == len(history), "a step that was logged twice"

    third = processes.batch(grid, out, "--scheduler", address)
    assert third.wait(60) == 1
    assert Counter(words(out / "begun.txt")) == begun
    fourth = processes.batch(grid, out, "--scheduler", address, "--retry-failed")
    assert fourth.wait(60) == 1
    assert Counter(words(out / "begun.txt")) == begun + Counter(["run-01"])


def test_notebook_04_killed_interrupted_and_finished(tmp_path, processes):
    grid, out = tmp_path / "grid.yaml", tmp_path / "batch"
    common = {"films": "phantom:normal:12", "preset": "tiny", "epochs": 60}
    grid.write_text(yaml.safe_dump({"notebook": str(NOTEBOOK_04), "parameters": common, "product": {"seed": [0, 1]}}))
    folders = [out / "seed0", out / "seed1"]

    first = processes.batch(grid, out, "--workers", 2)
    until(lambda: all((f / "checkpoint.pt").exists() for f in folders), 90, "both runs")
    everything = offspring(first)
    first.kill()
    assert len(everything) >= 6, "two workers, two papermills, two kernels"
    assert_dead(everything, 15)
    assert [status_of(f) for f in folders] == ["unfinished"] * 2

    second = processes.batch(grid, out, "--workers", 2)
    until(lambda: all(is_locked(f / ".lock") or is_done(f) for f in folders), 90, "both runs again")
    os.killpg(second.pid, signal.SIGINT)  # as a terminal does: to the workers too
    assert second.wait(60) == 130, second.log.read_text()
    assert "go on with" in second.log.read_text()
    assert_dead(offspring(second), 5)

    third = processes.batch(grid, out, "--workers", 2)
    assert third.wait(120) == 0, third.log.read_text()
    assert "2 finished of 2 runs" in third.log.read_text()
    pyramids = list((out / "pyramids").iterdir())
    assert len(pyramids) == 1
    for folder in folders:
        run = json.loads((folder / "run.json").read_text())
        assert (run["status"], run["threads"]) == ("finished", max(1, cores() // 2)), "its share of the cores, whatever the terminal says"
        assert {"notebook.ipynb", "losses.png", "timelapse.png", "checkpoint.pt"} <= {p.name for p in folder.iterdir()}
    packages = json.loads((out / "environment.json").read_text())["packages"]
    assert {"torch", "papermill", "distributed"} <= packages.keys()


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump({"notebook": str(small_notebook(tmp_path / "small.ipynb")), "product": {"seed": [0, 1]}}))
    return read_grid(path)


def test_a_run_that_was_begun_with_other_parameters_is_refused(tmp_path, grid):
    out = tmp_path / "batch"
    refuse(grid, out)
    assert remember(grid, out) == []
    assert set(json.loads((out / "batch.json").read_text())["runs"]) == {"seed0", "seed1"}
    (out / "seed1").mkdir()
    (out / "seed1" / "parameters.json").write_text(json.dumps({"notebook": "small.ipynb", "parameters": {"seed": 1, "epochs": 9}}))
    with pytest.raises(InputError, match="epochs was 9 and is None"):
        refuse(grid, out)
    (out / "seed1" / "parameters.json").write_text("{")
    with pytest.raises(InputError, match="is no run of a batch"):
        refuse(grid, out)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, grid):
    write_films(tmp_path / "batch", 1)
    with pytest.raises(InputError, match="is not empty and holds no batch"):
        refuse(grid, tmp_path / "batch")
    with pytest.raises(InputError, match="is a file"):
        refuse(grid, grid.path)


def test_other_films_than_a_run_was_begun_with_are_refused(tmp_path):
    """A batch whose later runs learnt from other films than its earlier ones would compare the two."""
    films, notebook, out = write_films(tmp_path / "films", 6), small_notebook(tmp_path / "small.ipynb"), tmp_path / "batch"
    content = {"notebook": str(notebook), "parameters": {"films": str(films), "epochs": 2}, "product": {"seed": [0, 1]}}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(content))
    grid = read_grid(tmp_path / "grid.yaml")
    out.mkdir()
    build_pyramids(grid, ["seed0", "seed1"], out, progress=False)
    train(preset("tiny", epochs=2), films, out / "seed0", "cpu", progress=False)
    build_pyramids(grid, ["seed1"], out, progress=False)
    write_films(films, 7)
    with pytest.raises(InputError, match=r"are not those that .*seed0 was begun with; put those back"):
        build_pyramids(grid, ["seed1"], out, progress=False)


def test_a_run_whose_workers_die_again_and_again_is_given_up(tmp_path):
    said = []
    line = SimpleNamespace(say=said.append, ended=0)
    future = SimpleNamespace(status="error", exception=lambda: KilledWorker("seed0", None, 3))
    lost = _ended("seed0", future, tmp_path, line)
    assert lost == {"seed0": "its workers died 4 times; is their memory large enough?"}
    assert said == [f"seed0 was lost: {lost['seed0']}"]


def test_a_run_has_its_share_of_the_cores_of_the_memory_and_of_the_gpus(monkeypatch):
    worker = SimpleNamespace(address="tcp://10.0.0.1:1", name="3", state=SimpleNamespace(nthreads=1))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    monkeypatch.setattr("idcgan.attempt.cores", lambda: 8)
    monkeypatch.setattr("idcgan.attempt._free_at_first", lambda: 12_000)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    given = _environment({"10.0.0.1": 4}, gpus=2)
    assert {given[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} == {"2"}
    assert given[machine.SHARE] == "3000"
    assert given["CUDA_VISIBLE_DEVICES"] == "7"
    assert _environment({}, gpus=0)["OMP_NUM_THREADS"] == "8"


def test_other_packages_than_at_the_start_are_said(tmp_path, grid):
    remember(grid, tmp_path)
    before = json.loads((tmp_path / "environment.json").read_text())
    before["packages"]["torch"] = "1.0"
    (tmp_path / "environment.json").write_text(json.dumps(before))
    assert "torch 1.0" in remember(grid, tmp_path)[0]
    (tmp_path / "environment.json").write_text("{")
    assert "damaged" in remember(grid, tmp_path)[0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--workers", 2, "--scheduler", "tcp://localhost:1"], "both given"),
        (["--workers", -1], "--workers is -1"),
        (["--scheduler", "nonsense"], "no Dask scheduler answers at nonsense"),
    ],
)
def test_options_that_cannot_work(tmp_path, grid, terminal, options, says):
    said = terminal("batch", grid.path, "--out", tmp_path / "batch", "--quiet", *options)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1


def test_without_dask_it_says_how_to_install_it(tmp_path, grid, terminal, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    said = terminal("batch", grid.path, "--out", tmp_path / "batch")
    assert said.code == 2
    assert "pip install -e '.[cluster]' -c constraints.txt" in said.err
    assert not (tmp_path / "batch").exists()


def test_a_lock_is_one_process_at_a_time(tmp_path):
    lock = tmp_path / ".lock"
    with locked(lock, "taken"):
        assert is_locked(lock)
        with pytest.raises(InputError, match="taken"), locked(lock, "taken", 0.3):
            pass
    assert not lock.exists()
    assert not is_locked(lock)
    holder = subprocess.Popen([sys.executable, "-c", f"import fcntl, time; f = open({str(lock)!r}, 'w'); fcntl.flock(f, 2); time.sleep(60)"])
    until(lambda: is_locked(lock), 10, "the holder")
    holder.kill()
    with locked(lock, "taken", 10):  # gone with its holder
        pass


def test_a_process_that_is_tied_ends_with_its_parent(tmp_path):
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")
    middle = "import os, subprocess, sys; subprocess.Popen([sys.executable, '-m', 'idcgan.tied', str(os.getpid()), 'sleeper']); sys.stdin.read()"
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    parent = subprocess.Popen([sys.executable, "-c", middle], stdin=subprocess.PIPE, env=environment)
    until(lambda: offspring(parent), 10, "the child")
    children = offspring(parent)
    parent.kill()
    parent.wait(5)
    assert_dead(children, 10)


def test_train_or_resume_trains_goes_on_and_leaves_finished_runs_alone(tmp_path, pyramid_path, finished_run, quick):
    out = tmp_path / "run"

    def stop(row):
        if row["step"] == 5:
            (out / "stop").touch()

    config = preset("tiny")
    assert train_or_resume(config, pyramid_path, out, "cpu", False, stop).run["status"] == "interrupted"
    assert train_or_resume(config, pyramid_path, out, "cpu", False).run["status"] == "finished"
    assert_same_run(out, finished_run)
    checkpoint = (out / "checkpoint.pt").read_bytes()
    assert train_or_resume(config, pyramid_path, out, "cpu", False).run["status"] == "finished"
    assert (out / "checkpoint.pt").read_bytes() == checkpoint
    with pytest.raises(InputError, match="changed config: seed"):
        train_or_resume(preset("tiny", seed=1), pyramid_path, out, "cpu", False)
    with pytest.raises(InputError, match="was started with"):
        train_or_resume(config, "phantom:normal:8", out, "cpu", False)
    with locked(out / ".lock", ""), pytest.raises(InputError, match="trained by another process"):
        train_or_resume(config, pyramid_path, out, "cpu", False, patience=0.3)


def test_a_run_again_is_the_same_to_the_last_bit(tmp_path, finished_run, terminal):
    said = terminal("train", "--like", finished_run, "--out", tmp_path / "again", "--device", "cpu", "--quiet")
    assert said.code == 0, said.err
    assert "may differ" not in said.err
    assert_same_run(tmp_path / "again", finished_run)


def test_like_says_what_differs_and_refuses_what_would_change_the_run(tmp_path, run_copy, terminal):
    for options in (["--seed", 3], ["phantom:normal"], ["--set", "ema=0"], ["--preset", "tiny"], ["--class", "normal"], ["--init", run_copy]):
        said = terminal("train", "--like", run_copy, "--out", tmp_path / "again", *options)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "--like repeats a run as it was; leave out" in said.err
    run = json.loads((run_copy / "run.json").read_text())
    run["packages"]["torch"], run["data"]["fingerprint"] = "1.0", "another"
    (run_copy / "run.json").write_text(json.dumps(run))
    said = terminal("train", "--like", run_copy, "--out", tmp_path / "again", "--quiet")
    assert said.code == 2
    assert "are not those that" in said.err
    assert not (tmp_path / "again").exists()


def test_like_says_where_the_networks_that_a_run_began_with_are_others_now(tmp_path, run_copy, pyramid_path, quick):
    source = train(preset("tiny", epochs=1), pyramid_path, tmp_path / "run-2", "cpu", run_copy, progress=False).path
    where = torch.device("cpu")
    assert not [said for said in like(source, {}, tmp_path / "pyramids", where, progress=False)[3] if "others now" in said]
    content = torch.load(run_copy / "checkpoint.pt", weights_only=True)
    torch.save(content | {"more": 1}, run_copy / "checkpoint.pt")
    assert [said for said in like(source, {}, tmp_path / "pyramids", where, progress=False)[3] if f"{run_copy}, and those are others now" in said]


def test_films_that_were_trained_on_decide_the_repetition(tmp_path, terminal):
    train(preset("tiny"), write_films(tmp_path / "films", 6), tmp_path / "run", "cpu", progress=False)
    write_films(tmp_path / "films", 7)
    said = terminal("train", "--like", tmp_path / "run", "--out", tmp_path / "again", "--quiet")
    assert said.code == 2
    assert "are not those that" in said.err
