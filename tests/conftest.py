"""What several tests share: twelve phantom films, a finished tiny run, a terminal to type into."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start; two threads on two busy cores are slower than one

import csv
import functools
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image
from safetensors.torch import load_file

from idcgan import records
from idcgan.config import preset
from idcgan.pyramid import Pyramid
from idcgan.training import train

torch.set_num_threads(1)
settings.register_profile("untimed", deadline=None)  # the first example of a test pays for its imports
settings.load_profile("untimed")

# files that take minutes: they begin first (pytest-xdist, --no-loadscope-reorder), so that no process is left alone with one at the end
LONGEST = ("test_lab_browser", "test_evaluation", "test_evaluation_cases", "test_cluster", "test_batch", "test_resume", "test_memory", "test_crew",
           "test_training", "test_training_widget")  # fmt: skip
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "nih-chest"  # real films, where someone has them beside the repository
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync"]  # fmt: skip
CLOCK = {"seconds", "level_began"}  # the parts of a run's position that no two runs share


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they came."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def until(condition: Callable[[], object], seconds: float = 20.0, what: str = "it") -> object:
    """What `condition` says as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Nothing here needs one: whoever reaches beyond this machine is told so, and the test fails."""
    reach = socket.socket.connect
    here = {"localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname()}

    def connect(self: socket.socket, address):
        beyond = self.family != getattr(socket, "AF_UNIX", None) and self.type == socket.SOCK_STREAM and address[0] not in here
        assert not beyond, f"a test wants to reach {address[0]}"
        return reach(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting():
    """Some thousand files are written, and no test pulls the plug: nobody waits for the disk, nor asks git each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(records, "code_version", functools.cache(records.code_version))
        yield


@pytest.fixture(scope="session")
def pyramid_path(tmp_path_factory) -> Path:
    """Twelve phantom films at 16, 32 and 64."""
    path = tmp_path_factory.mktemp("films") / "pyramid"
    Pyramid.build("phantom:normal:12", path, (16, 32, 64), workers=1, progress=False)
    return path


@pytest.fixture(scope="session")
def finished_run(pyramid_path, tmp_path_factory) -> Path:
    """A tiny run from the first step to the last, made by the package as it is. Look, do not touch: use `run_copy`."""
    return train(preset("tiny"), pyramid_path, tmp_path_factory.mktemp("finished") / "run", device="cpu", progress=False).path


@pytest.fixture
def run_copy(finished_run, tmp_path) -> Path:
    """The finished run, in a folder of its own, to be damaged."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


@pytest.fixture
def quick(monkeypatch):
    """Leaves out what takes most of a tiny run's time and is tested elsewhere: the drawing and the stop watch of the forecast."""

    class Drawing:
        def savefig(self, buffer, **_):
            buffer.write(b"losses")

    monkeypatch.setattr("idcgan.plots.plot_losses", lambda rows, title="": Drawing())
    monkeypatch.setattr("idcgan.forecast.time_step", lambda *_: 0.01)


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def terminal(monkeypatch, capsys):
    """Types `idcgan ARGUMENTS` in this process."""
    from idcgan.cli import main

    def typed(*arguments) -> Said:
        monkeypatch.setattr(sys, "argv", ["idcgan", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return Said(int(end.value.code or 0), *capsys.readouterr())

    return typed


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser, for pages that must work without a network."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not tried in a browser.")
    if not CHROMIUM:
        pytest.skip("there is no chromium on the PATH: the page is not tried in a browser.")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS, headless=True)
        yield browser
        browser.close()


def write_film(path: Path, seed: int, height: int = 40, width: int = 44) -> Path:
    """A PNG of noise: no two seeds alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)).save(path)
    return path


def write_films(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder of noise films, of this seed and the next ones."""
    for at in range(seed, seed + count):
        write_film(folder / f"{at:02}.png", at)
    return folder


def everything_below(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes and every folder (None), to compare before and after."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def history_of(run: Path) -> list[dict[str, str]]:
    """history.csv as it is written, without the seconds."""
    with open(run / "history.csv", newline="", encoding="utf-8") as handle:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(handle)]


def differences(a, b, where: str = "checkpoint") -> list[str]:
    """Where two checkpoints are not the same bit for bit; the clock aside."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return [] if a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b) else [where]
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() != b.keys():
            return [f"{where}: {a.keys() ^ b.keys()}"]
        return [d for key in a if key not in CLOCK for d in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")]
    return [] if a == b else [f"{where}: {a!r} and {b!r}"]


def assert_same_run(one: Path, other: Path) -> None:
    """Checkpoint, generators, history and pictures of two runs are the same to the last bit."""
    checkpoints = [torch.load(run / "checkpoint.pt", weights_only=True) for run in (one, other)]
    assert {"generator", "discriminator", "average", "optimizer_g", "optimizer_d", "rng"} <= checkpoints[0].keys()
    assert checkpoints[0]["optimizer_g"]["state"], "no momenta in the checkpoint: the comparison would say nothing"
    assert differences(*checkpoints) == []
    assert history_of(one) == history_of(other)
    names = [sorted(p.name for p in run.glob("generator-*.safetensors")) for run in (one, other)]
    assert names[0] == names[1] != []
    for name in names[0]:
        assert differences(load_file(one / name), load_file(other / name), name) == []
    pictures = [{p.name: p.read_bytes() for p in run.glob("samples/*.png")} for run in (one, other)]
    assert pictures[0] == pictures[1] != {}
