"""A run that was stopped, killed or broken off and then resumed ends bit for bit where an unbroken one does."""

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import assert_same_run, everything_below, history_of

from idcgan import checkpoint
from idcgan.config import preset
from idcgan.errors import InputError, WorkError
from idcgan.pyramid import Pyramid
from idcgan.records import RunFolder
from idcgan.state import restore
from idcgan.training import resume, train

WAYS = {
    "preserve, replace": {},
    "preserve, fade, no average": {"transition": "fade", "ema": 0.0},
    "reset, no thread": {"growth": "reset", "workers": 0},
    "scratch, three threads, jump": {"growth": "scratch", "workers": 3, "transition": "jump"},
    "batch per level, blur": {"batch_size": (4, 3), "blur": True, "log_every": 2, "labels": "flipped", "cool_down": 0.7, "balanced_kernels": True},
    "projected": {"projected": True},
    "grain, patches, smooth": {"grain": True, "patches": True, "smooth_from": 32, "fine_head": True},
}


@pytest.fixture(scope="module")
def unbroken(pyramid_path, tmp_path_factory):
    """Each way to train, from beginning to end; made when first asked for."""
    made = {}

    def run(way: str):
        if way not in made:
            made[way] = train(preset("tiny", **WAYS[way]), pyramid_path, tmp_path_factory.mktemp("unbroken") / "run", "cpu", progress=False).path
        return made[way]

    return run


def ask_to_stop(out, level: int, step: int):
    """Puts the file `stop` into the run folder at that step."""
    return lambda row: (out / "stop").touch() if (row["level"], row["step"]) == (level, step) else None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("way", "stops"),
    [
        ("preserve, replace", [(1, 1)]),
        ("preserve, replace", [(1, 4)]),
        ("preserve, replace", [(1, 6)]),  # the last step before growing
        ("preserve, replace", [(2, 1)]),  # the first one after
        ("preserve, replace", [(2, 6)]),  # the last of the run
        ("preserve, replace", [(1, 2), (1, 3), (1, 6), (2, 3)]),
        ("preserve, fade, no average", [(1, 5), (2, 2)]),
        ("reset, no thread", [(1, 6), (2, 3)]),
        ("scratch, three threads, jump", [(1, 3), (2, 4)]),
        ("batch per level, blur", [(1, 2), (2, 6)]),
        ("projected", [(1, 2), (2, 3)]),
        ("grain, patches, smooth", [(1, 2), (2, 3)]),
    ],
)
def test_a_stopped_run_goes_on_as_if_nothing_had_been(pyramid_path, unbroken, tmp_path, way, stops):
    out = tmp_path / "run"
    begin = lambda hook: train(preset("tiny", **WAYS[way]), pyramid_path, out, "cpu", progress=False, on_log=hook)  # noqa: E731
    for number, stop in enumerate(stops):
        hook = ask_to_stop(out, *stop)
        folder = begin(hook) if number == 0 else resume(out, device="cpu", progress=False, on_log=hook)
        assert folder.run["status"] == "interrupted"
        position = torch.load(out / "checkpoint.pt", weights_only=True)["position"]
        assert (position["level"] + 1, position["step"]) == stop
        assert not (out / "stop").exists()
    assert resume(out, device="cpu", progress=False).run["status"] == "finished"
    assert_same_run(out, unbroken(way))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("crash", [(1, 5), (2, 4)])
def test_steps_after_the_last_checkpoint_are_made_again(pyramid_path, tmp_path, crash):
    """Broken off between two checkpoints: what was logged since the last one is cut off and comes again, the same."""
    config = preset("tiny", checkpoint_seconds=1e6)  # saved where a level begins, and nowhere else
    whole = train(config, pyramid_path, tmp_path / "whole" / "run", "cpu", progress=False).path
    out = tmp_path / "run"

    def break_off(row):
        if (row["level"], row["step"]) == crash:
            raise ZeroDivisionError("the power went")

    with pytest.raises(ZeroDivisionError):
        train(config, pyramid_path, out, "cpu", progress=False, on_log=break_off)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    logged, position = len(history_of(out)), torch.load(out / "checkpoint.pt", weights_only=True)["position"]
    assert position["step"] == 0
    assert position["rows"] < logged
    assert resume(out, device="cpu", progress=False).run["status"] == "finished"
    assert_same_run(out, whole)


def idcgan(*arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "idcgan", *map(str, arguments), "--quiet", "--device", "cpu"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


@pytest.mark.usefixtures("quick")
def test_a_run_killed_three_times_ends_where_an_unbroken_one_does(pyramid_path, tmp_path):
    """kill -9 gives no chance to tidy up: whatever lies on the disk at that moment must do."""
    options = ["--preset", "tiny", "--epochs", 60, "--set", "checkpoint_seconds=0", "--set", "moments=3"]  # 90 steps at 16, 90 at 32
    whole, out = tmp_path / "whole" / "run", tmp_path / "killed" / "run"
    train(preset("tiny", epochs=60, moments=3), pyramid_path, whole, "cpu", progress=False)  # here: a process of its own costs seconds
    rng = random.Random(20240611)
    moments = sorted(rng.sample(range(10, 170), 3))
    replayed = 0
    for number, moment in enumerate(moments):
        process = idcgan("train", pyramid_path, "--out", out, *options) if number == 0 else idcgan("train", "--resume", out)
        killed_at = kill_at_row(process, out, moment)
        position = torch.load(out / "checkpoint.pt", weights_only=True)["position"]
        replayed += killed_at - position["rows"]
        assert json.loads((out / "run.json").read_text())["status"] == "running"
    process = idcgan("train", "--resume", out)
    assert process.wait(120) == 0, process.stderr.read()
    assert replayed > 0, "every kill hit a fresh checkpoint, so that nothing was made again"
    assert_same_run(out, whole)
    assert list(out.rglob(".*.tmp")) == [], "what a killed process was writing lies about"


def kill_at_row(process: subprocess.Popen, out, row: int) -> int:
    """Kill the process as soon as history.csv has that many rows; returns how many it had then."""
    deadline = time.monotonic() + 120
    before = (out / "history.csv").stat().st_mtime if (out / "history.csv").exists() else 0.0
    while time.monotonic() < deadline:
        assert process.poll() is None, f"ended before it could be killed: {process.stderr.read()}"
        with_rows = (out / "history.csv").exists() and (out / "history.csv").stat().st_mtime > before and len(history_of(out)) >= row
        if with_rows:
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            return len(history_of(out))
        time.sleep(0.002)
    process.kill()
    raise AssertionError(f"row {row} did not come")


def test_a_finished_run_is_returned_as_it_is(run_copy):
    before = everything_below(run_copy)
    assert resume(run_copy, device="cpu", progress=False).run["status"] == "finished"
    assert everything_below(run_copy) == before


@pytest.mark.parametrize(
    ("field", "value"), [("learning_rate", 0.0002), ("feature_maps_g", 8), ("resolutions", (16, 32, 64)), ("seed", 1), ("epochs", 9)]
)
def test_a_changed_config_is_refused_by_name(run_copy, field, value):
    before = everything_below(run_copy)
    with pytest.raises(InputError, match=f"changed config: {field} ") as refusal:
        resume(run_copy, {field: value}, device="cpu", progress=False)
    assert str(value).strip("()") in str(refusal.value)
    assert everything_below(run_copy) == before


def test_the_config_as_it_was_is_no_change(run_copy):
    assert resume(run_copy, {"learning_rate": "0.0004"}, device="cpu", progress=False).run["status"] == "finished"


@pytest.fixture(scope="module")
def interrupted_once(pyramid_path, tmp_path_factory):
    """A folder with a run that was stopped in its second level, and with its pyramid."""
    folder = tmp_path_factory.mktemp("interrupted")
    films, out = shutil.copytree(pyramid_path, folder / "pyramid"), folder / "run"
    assert train(preset("tiny"), films, out, "cpu", progress=False, on_log=ask_to_stop(out, 2, 2)).run["status"] == "interrupted"
    return folder


@pytest.fixture
def interrupted(interrupted_once, tmp_path, quick):
    """That run, with a pyramid of its own, to be damaged."""
    shutil.copytree(interrupted_once, tmp_path, dirs_exist_ok=True)
    said = tmp_path / "run" / "run.json"
    said.write_text(said.read_text().replace(str(interrupted_once), str(tmp_path)))
    return tmp_path / "run"


def test_what_a_killed_process_had_half_written_is_swept_away(interrupted):
    """Killed while it saved: half a checkpoint under a temporary name, gigabytes at 2048."""
    left = [interrupted / ".checkpoint.pt.4711.tmp", interrupted / "samples" / ".0016.png.4711.tmp"]
    for path in left:
        path.write_bytes(b"half")
    (interrupted / ".notes").write_text("mine")
    resume(interrupted, device="cpu", progress=False)
    assert not any(path.exists() for path in left)
    assert (interrupted / ".notes").exists()


def test_other_films_are_refused(interrupted, tmp_path):
    shutil.rmtree(tmp_path / "pyramid")
    Pyramid.build("phantom:normal:12:5", tmp_path / "pyramid", (16, 32, 64), workers=1, progress=False)
    before = everything_below(interrupted)
    with pytest.raises(InputError, match=r"are not those that .* was started with"):
        resume(interrupted, device="cpu", progress=False)
    assert everything_below(interrupted) == before


def test_a_checkpoint_trained_on_other_films_is_refused(interrupted):
    content = torch.load(interrupted / "checkpoint.pt", weights_only=True)
    torch.save({**content, "data": "0123456789abcdef"}, interrupted / "checkpoint.pt")
    with pytest.raises(InputError, match="trained on other films"):
        resume(interrupted, device="cpu", progress=False)


def test_a_pyramid_that_is_gone_is_named(interrupted, tmp_path):
    shutil.rmtree(tmp_path / "pyramid")
    with pytest.raises(InputError, match="pyramid"):
        resume(interrupted, device="cpu", progress=False)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_checkpoint_is_one_sentence(interrupted, share):
    path = interrupted / "checkpoint.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WorkError, match=r"checkpoint\.pt is damaged") as failure:
        resume(interrupted, device="cpu", progress=False)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("content", [{"weights": torch.zeros(2)}, [1, 2], {"format": 99}])
def test_another_file_in_the_place_of_the_checkpoint_is_one_sentence(interrupted, content):
    torch.save(content, interrupted / "checkpoint.pt")
    with pytest.raises(WorkError, match=r"checkpoint\.pt is not a checkpoint of this version"):
        resume(interrupted, device="cpu", progress=False)


def test_a_checkpoint_without_pickles_only(interrupted):
    """Loading a checkpoint must not run code that is in it."""

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(interrupted / "trapped"),)

    torch.save({"format": 1, "trap": Trap()}, interrupted / "checkpoint.pt")
    with pytest.raises(WorkError, match="damaged"):
        resume(interrupted, device="cpu", progress=False)
    assert not (interrupted / "trapped").exists()


def test_a_checkpoint_of_another_size_is_refused(interrupted, pyramid_path, tmp_path):
    other = train(preset("tiny", feature_maps_g=8), pyramid_path, tmp_path / "other" / "run", "cpu", progress=False).path
    shutil.copy(other / "checkpoint.pt", interrupted / "checkpoint.pt")
    with pytest.raises(InputError, match="feature_maps_g"):
        resume(interrupted, device="cpu", progress=False)


def test_weights_that_do_not_fit_their_config_are_refused(interrupted):
    content = torch.load(interrupted / "checkpoint.pt", weights_only=True)
    name = next(iter(content["generator"]))
    content["generator"][name] = content["generator"][name][:1]
    torch.save(content, interrupted / "checkpoint.pt")
    with pytest.raises(WorkError, match="does not fit the networks"):
        resume(interrupted, device="cpu", progress=False)


DISK_FULL = {
    "system": OSError(errno.ENOSPC, "No space left on device"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    # as torch 2.13 says it, tried on a device that is always full
    "torch, at the end": RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"),
    "torch, midway": RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
}


@pytest.mark.parametrize("error", DISK_FULL.values(), ids=DISK_FULL)
def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch, error):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"format": 1, "weights": torch.arange(5)})
    good = path.read_bytes()

    def fill_the_disk(state, place):
        place.write_bytes(good[:100])
        raise error

    monkeypatch.setattr(torch, "save", fill_the_disk)
    with pytest.raises(WorkError, match=r"checkpoint\.pt could not be written: the disk is full"):
        checkpoint.save(path, {"format": 1, "weights": torch.zeros(5)})
    assert everything_below(tmp_path) == {"checkpoint.pt": good}
    assert torch.equal(checkpoint.load(path)["weights"], torch.arange(5))


def test_a_write_that_really_runs_out_of_room_leaves_the_old_checkpoint(tmp_path):
    """The system's own limit on a file's size, for checkpoint and generator: what torch and safetensors raise is not ours to invent."""
    script = """
import resource, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from idcgan import checkpoint
from idcgan.errors import WorkError

folder, big = Path(sys.argv[1]), torch.zeros(100_000)
checkpoint.save(folder / "a", {"format": 1})
(folder / "b").write_text("old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for name, write in (("a", lambda p: torch.save({"big": big}, p)), ("b", lambda p: save_file({"big": big}, str(p)))):
    try:
        checkpoint.atomically(folder / name, write)
    except WorkError as error:
        print(error)
print(checkpoint.load(folder / "a"), (folder / "b").read_text(), sorted(p.name for p in folder.iterdir()))
"""
    said = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    lines = said.stdout.splitlines()
    assert len(lines) == 3, said.stdout
    assert "a could not be written" in lines[0]
    assert "b could not be written" in lines[1]
    assert lines[2] == "{'format': 1} old ['a', 'b']"


def test_threads_that_write_the_same_file_do_not_take_it_from_each_other(tmp_path):
    """Two made films that are the same to the byte are described at the same time, and have one name."""
    together = threading.Barrier(2)

    def write(path):
        path.write_text("whole")
        together.wait(20)  # both have written before either goes on

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: checkpoint.atomically(tmp_path / "a", write), range(2)))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "whole")]


def test_a_file_that_somebody_reads_is_replaced_a_little_later(tmp_path, monkeypatch):
    """On Windows it cannot be while it is open."""
    real, refused = os.replace, []

    def busy_twice(old, new):
        if len(refused) < 2:
            refused.append(new)
            raise PermissionError(errno.EACCES, "Access is denied")
        real(old, new)

    monkeypatch.setattr(os, "replace", busy_twice)
    monkeypatch.setattr(checkpoint, "TRIES", 10)
    checkpoint.write_json(tmp_path / "a.json", {"a": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    refused.clear()
    monkeypatch.setattr(checkpoint, "TRIES", 2)
    with pytest.raises(WorkError, match=r"a\.json could not be written: Access is denied"):
        checkpoint.write_json(tmp_path / "a.json", {"a": 2})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_who_only_looks_sweeps_nothing_away(interrupted):
    """A report on a run that still trains asks its discriminator, while the run may be writing a checkpoint."""
    (interrupted / ".checkpoint.pt.4711.tmp").write_bytes(b"half")
    folder = RunFolder.open(interrupted)
    restore(folder, preset("tiny"), torch.device("cpu"))
    assert (interrupted / ".checkpoint.pt.4711.tmp").exists()


def test_a_resume_keeps_the_memory_limit(interrupted, monkeypatch):
    RunFolder.open(interrupted).write(memory_limit=3.0)
    asked = []
    monkeypatch.setattr("idcgan.training.room", lambda limit, device: asked.append(limit) or 1e12)
    resume(interrupted, device="cpu", progress=False)
    assert asked == [3.0]


def test_a_mistake_in_the_code_is_not_called_a_full_disk(tmp_path):
    def wrong(path):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes") as failure:
        checkpoint.atomically(tmp_path / "a", wrong)
    assert not isinstance(failure.value, WorkError)


@pytest.mark.usefixtures("quick")
def test_a_disk_that_fills_while_training_leaves_a_run_that_goes_on(pyramid_path, unbroken, tmp_path, monkeypatch):
    real, calls = torch.save, []

    def fail_the_fourth_time(state, place):
        calls.append(place)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(state, place)

    monkeypatch.setattr(torch, "save", fail_the_fourth_time)
    monkeypatch.setattr("idcgan.levels.Clock.time_to_save", lambda *_: True)
    out = tmp_path / "run"
    with pytest.raises(WorkError, match="disk is full"):
        train(preset("tiny"), pyramid_path, out, "cpu", progress=False)
    assert json.loads((out / "run.json").read_text())["status"] == "failed"
    assert list(out.glob(".*")) == []
    resume(out, device="cpu", progress=False)
    assert_same_run(out, unbroken("preserve, replace"))
