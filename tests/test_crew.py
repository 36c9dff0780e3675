"""Several processes: the same gradients, the same run, one that writes."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from conftest import history_of

from idcgan import InputError, preset
from idcgan.crew import ALONE, Crew
from idcgan.moves import step
from idcgan.sampling import load_generator
from idcgan.state import start
from idcgan.training import train

AUGMENT = ("brightness", "contrast", "translation")
JOBS = {
    "plain": dict(augment=AUGMENT),
    "recomputed": dict(augment=AUGMENT, recompute=1),
    "borrowed": dict(augment=AUGMENT, projected=True),
    "of their own": dict(sync_batch_norm=False),
}
# Steps of two players on the same eight films, as one of several: for each job, as many arguments in JSON, losses, statistics and gradients.
SCRIPT = """
    import json, sys
    sys.path.insert(0, sys.argv[1])
    from test_crew import Crew, one_step, torch

    crew = Crew.join()
    for name, job in json.loads(sys.argv[3]).items():
        found = one_step(crew, **job)
        if crew.leads:
            torch.save(found, f"{sys.argv[2]}/{name}.pt")
    crew.leave()
"""


def one_step(crew: Crew, recompute: int = 0, **changes) -> dict:
    """What comes out of one step in which the optimisers do not move: gradients, statistics, losses, the random numbers' state."""
    config = preset("tiny", batch_size=8, precision="fp32", **{"augment": (), **changes})
    state = start(config, torch.device("cpu"), 1)
    state.recompute(recompute)
    state.wrapped = crew.wrap(state.generator, config), crew.wrap(state.discriminator, config)
    films = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1
    state.optimizer_g.step = state.optimizer_d.step = lambda: None
    said = step(state, config, crew.mine(films), crew)
    gradients = {f"{who} {k}": p.grad for who in ("generator", "discriminator") for k, p in getattr(state, who).named_parameters()}
    buffers = {f"{who} {k}": b for who in ("generator", "discriminator") for k, b in getattr(state, who).named_buffers()}
    losses = {k: crew.mean(said[k]) for k in ("loss_d", "loss_g", "d_real", "d_fake")}
    state.wrapped = None
    return {"gradients": gradients, "buffers": buffers, "losses": losses, "rng": state.rng.get_state()}


def launch(processes: int, *command: str, timeout: int = 170) -> subprocess.CompletedProcess:
    """Under torchrun, as a user would; one thread each."""
    start = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--master-port=0", "--rdzv-backend=c10d",
             "--rdzv-endpoint=localhost:0"] if processes > 1 else [sys.executable]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*start, *command], capture_output=True, text=True, timeout=timeout, env=environment)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory) -> dict[str, dict]:
    """What two processes found, by job; they are started once for all."""
    folder = tmp_path_factory.mktemp("steps")
    (folder / "steps.py").write_text(textwrap.dedent(SCRIPT))
    done = launch(2, str(folder / "steps.py"), str(Path(__file__).parent), str(folder), json.dumps(JOBS))
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: torch.load(folder / f"{name}.pt", weights_only=True) for name in JOBS}


def apart(a: dict, b: dict) -> float:
    """The largest difference between two sets of tensors, over the largest number in the tensor."""
    assert a.keys() == b.keys()
    return max(float((a[k].double() - b[k].double()).abs().max() / b[k].double().abs().max().clamp(min=1e-6)) for k in a)


@pytest.mark.parametrize("job", ["plain", "recomputed"])
def test_two_processes_have_the_gradients_of_one(of_two, job):
    """On the same films, with batch norm synchronised (what it is without, another test sees)."""
    one, two = one_step(ALONE, **JOBS[job]), of_two[job]
    assert apart(two["gradients"], one["gradients"]) < 1e-5
    assert apart(two["buffers"], one["buffers"]) < 1e-5
    assert apart(two["losses"], one["losses"]) < 1e-5
    assert torch.equal(two["rng"], one["rng"])


def test_two_processes_borrow_as_one(of_two):
    one, two = one_step(ALONE, **JOBS["borrowed"]), of_two["borrowed"]
    of_d, of_g = ([{k: v for k, v in found["gradients"].items() if k.startswith(who)} for found in (two, one)] for who in ("disc", "gen"))
    assert any(name.startswith("discriminator projected.heads.") for name in of_d[0])
    assert apart(*of_d) < 1e-4
    # G's come through a deep network whose ReLU6 has edges, where rounding alone makes 5e-4
    assert apart(*of_g) < 5e-3
    assert apart(two["losses"], one["losses"]) < 1e-5


def test_batch_norm_of_their_own_is_that_of_micro_batches(of_two):
    """Parts of four films in two processes, or one after the other in one: the same gradients, and others than those of all eight."""
    two = of_two["of their own"]
    parts, whole = (one_step(ALONE, micro_batch=size, **JOBS["of their own"]) for size in (4, 8))
    assert apart(two["gradients"], parts["gradients"]) < 1e-5
    assert apart(two["losses"], parts["losses"]) < 1e-5
    assert apart(whole["gradients"], parts["gradients"]) > 1e-2


def test_a_run_of_two_processes_is_the_run_of_one(tmp_path, pyramid_path):
    """The same files, the same losses up to rounding in the first steps; and that of two can be sampled from."""
    for processes in (1, 2):
        done = launch(processes, "-m", "idcgan", "train", str(pyramid_path), "--out", str(tmp_path / f"run{processes}"), "--preset", "tiny",
                      "--device", "cpu")  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert ("2 processes" in done.stderr) == (processes == 2)
    names = [sorted(p.relative_to(tmp_path / f"run{n}").as_posix() for p in (tmp_path / f"run{n}").rglob("*")) for n in (1, 2)]
    assert names[0] == names[1]
    rows = [[line.split(",") for line in (tmp_path / f"run{n}" / "history.csv").read_text().splitlines()] for n in (1, 2)]
    assert len(rows[0]) == len(rows[1])
    loss = rows[0][0].index("loss_d")
    first = [(float(a[loss]), float(b[loss])) for a, b in zip(rows[0][1:6], rows[1][1:6], strict=True)]
    assert all(a == pytest.approx(b, rel=2e-3) for a, b in first), first
    runs = [json.loads((tmp_path / f"run{n}" / "run.json").read_text()) for n in (1, 2)]
    assert [run["processes"] for run in runs] == [1, 2]
    assert [run["status"] for run in runs] == ["finished"] * 2
    assert load_generator(tmp_path / "run2").resolution == 32


def test_a_run_of_one_process_goes_on_in_two(tmp_path, pyramid_path):
    out = tmp_path / "run"
    stop = lambda row: (out / "stop").touch() if (row["level"], row["step"]) == (2, 2) else None  # noqa: E731
    assert train(preset("tiny"), pyramid_path, out, "cpu", progress=False, on_log=stop).run["status"] == "interrupted"
    done = launch(2, "-m", "idcgan", "train", "--resume", str(out))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "started with processes: 1, now 2" in done.stderr
    assert json.loads((out / "run.json").read_text())["status"] == "finished"
    assert len(history_of(out)) == 12
    assert load_generator(out).resolution == 32


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path, pyramid_path):
    with pytest.raises(InputError, match="batch_size is 4 for 3 processes; give a number that they can share evenly"):
        Crew(0, 3).check(preset("tiny"))
    with pytest.raises(InputError, match="each needs 2 films or more"):
        Crew(0, 4).check(preset("tiny", sync_batch_norm=False))
    Crew(0, 4).check(preset("tiny"))
    with pytest.raises(InputError, match="micro_batch is 4 and each of 2 processes has 6 films"):
        Crew(0, 2).check(preset("tiny", batch_size=12, micro_batch=4))
    done = launch(3, "-m", "idcgan", "train", str(pyramid_path), "--out", str(tmp_path / "run"), "--preset", "tiny", "--quiet")
    assert done.returncode != 0
    assert "idcgan: batch_size is 4 for 3 processes" in done.stderr
    assert not (tmp_path / "run").exists()
