"""Things timed in turn, each in a process of its own: on a shared machine only what was measured side by side can be compared.

A script that is timed answers `--worker SPEC` by calling `serve`; the one that times calls `rounds`. All workers stand ready
with what they built, one works at a time, and a ratio is the median of the ratios within each round.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def serve(once: Callable[[], Any]) -> None:
    """In the worker: for every line that comes in, do it once and say how long it took, and the most memory so far."""
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        said = once()
        seconds = time.perf_counter() - began
        from idcgan.machine import memory_peak  # not earlier: before PyTorch, the project would tune the plain way too

        print(json.dumps({"seconds": seconds, "memory": memory_peak(), **(said or {})}), flush=True)


def steps_on_noise(config: Any, resolution: int, count: int = 1) -> Callable[[], None]:
    """In the worker: `count` training steps on random films."""
    import torch

    from idcgan import tuning
    from idcgan.moves import step
    from idcgan.state import start

    tuning.keep_memory()
    state = start(config, torch.device("cpu"), config.resolutions.index(resolution))
    real = (torch.rand(8, 1, resolution, resolution) * 2 - 1).contiguous(memory_format=torch.channels_last)

    def move() -> None:
        for _ in range(count):
            step(state, config, real)

    return move


def rounds(script: str, specs: dict[str, dict[str, Any]], count: int, seconds: float, warm: int = 1) -> dict[str, Any]:
    """Every worker in turn, `count` rounds at least and for `seconds` in all, after `warm` rounds that do not count.

    specs: {way: what its worker is told}. Returns {way: {"seconds": median, "rounds": [...], "memory": bytes, ...}}.
    """
    with contextlib.ExitStack() as stack:
        workers = {way: stack.enter_context(_worker(script, spec)) for way, spec in specs.items()}
        results: dict[str, list[dict[str, Any]]] = {way: [] for way in specs}
        began, done = time.perf_counter(), -warm
        while done < count or time.perf_counter() - began < seconds:
            for way, worker in workers.items():
                said = _ask(worker)
                if done >= 0:
                    results[way].append(said)
            done += 1
            if done == 0:
                began = time.perf_counter()
    out = {}
    for way, said in results.items():
        times = [s["seconds"] for s in said]
        out[way] = {**said[-1], "seconds": statistics.median(times), "rounds": [round(t, 5) for t in times]}
    return out


def ratio(slow: dict[str, Any], fast: dict[str, Any]) -> float:
    """How many times faster: the median over the rounds."""
    return statistics.median(s / f for s, f in zip(slow["rounds"], fast["rounds"], strict=True))


def keep(name: str, result: Any, table: str) -> None:
    """Put a script's result under its name into results.json, `step` first, and its table into README.md; print the table."""
    here = Path(__file__).parent
    path = here / "results.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known |= {name: result, "machines": {**known.get("machines", {}), name: surroundings()}}
    text = json.dumps({key: known[key] for key in ("step", *sorted(set(known) - {"step"})) if key in known}, indent=1)
    path.write_text(re.sub(r"\[[-+.\d,\se]+\]", lambda numbers: " ".join(numbers[0].split()), text) + "\n")  # numbers of a list in one line
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    readme = (here / "README.md").read_text()
    before, rest = readme.split(begin, 1)
    after = rest.split(end, 1)[1]
    (here / "README.md").write_text(f"{before}{begin}\n{table}\n\n{surroundings()}\n{end}{after}")
    print(table)


def known(name: str) -> Any:
    """What results.json holds of a script; {} for nothing."""
    path = Path(__file__).with_name("results.json")
    return json.loads(path.read_text()).get(name, {}) if path.exists() else {}


def surroundings() -> str:
    """The machine, the day and the code, in a sentence."""
    import torch

    from idcgan import machine
    from idcgan.records import code_version

    where = f"{machine.describe(torch.device('cpu'))}, {machine.memory_available() / 1e9:.0f} GB free"
    return f"{where}; torch {torch.__version__}; idcgan {code_version()}; {time.strftime('%Y-%m-%d')}."


@contextlib.contextmanager
def _worker(script: str, spec: dict[str, Any]) -> Iterator[subprocess.Popen]:
    command = [sys.executable, script, "--worker", json.dumps(spec)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{script} did not start for {spec}")
        yield process
    finally:
        process.stdin.close()
        process.kill()
        process.wait()


def _ask(process: subprocess.Popen) -> dict[str, Any]:
    process.stdin.write("go\n")
    process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a worker stopped: {' '.join(process.args[1:])}")
    return json.loads(line)
