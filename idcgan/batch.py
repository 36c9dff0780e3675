"""Notebooks as runs: papermill executes one in a process of its own, and the run folder tells how far it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from .batch_line import position_of
from .errors import InputError, WorkError
from .parameters import check_parameters
from .records import PAPERMILLS, RunFolder

BATCH = "parameters.json"  # in a run folder: it is one of a batch, and these are its parameters
# What papermill says where a kernel ended before its first cell. Jupyter picks a kernel's ports and lets them go again before the kernel takes
# them; on a busy machine another process can be there first. Nothing of the run has happened yet: it is begun again.
NEVER_BEGAN = "Kernel died before replying to kernel_info"
ATTEMPTS = 3


def execute(notebook: Path, parameters: dict[str, Any], out: Path, progress: bool = True, go_on: bool = False,
            environment: dict[str, str] | None = None) -> str:  # fmt: skip
    """Run `notebook` with `parameters` injected; the executed copy is out/notebook.ipynb. Returns the run's status.

    One process per run: two kernels driven from threads of one process hang. Ctrl-C, or a file `stop` in `out`, lets the run
    finish its step and save. `go_on`: `out` belongs to this run, begun or not: what has no checkpoint is begun anew, and what
    fails stays there to be looked at. `environment`: of the run's process, instead of this one's. Raises InputError for an
    unknown parameter (papermill only warns) and where a run cannot be put into `out`, WorkError where a cell failed or no kernel could be started.
    """
    import yaml  # comes with papermill; JSON will not do, for YAML takes its 1e-05 for text

    check_parameters(notebook, parameters)
    if go_on:
        _make_ready(out)
    else:
        RunFolder.refuse(out)
        if (out / "notebook.ipynb").exists():
            raise InputError(f"{out} holds a notebook.ipynb, and the executed notebook would take its place; choose another --out.")
    there, before = {p.name for p in out.iterdir()} if out.is_dir() else None, _stamp(out)
    out.mkdir(parents=True, exist_ok=True)
    # tied to this process: where it is killed, the run ends, and another attempt can take the folder
    command = [sys.executable, "-m", "idcgan.tied", str(os.getpid()), "papermill", str(notebook), str(out / "notebook.ipynb"), "--no-progress-bar",
               "--cwd", str(notebook.parent), "--parameters_yaml", yaml.safe_dump(parameters, allow_unicode=True)]  # fmt: skip
    for _ in range(ATTEMPTS):
        with open(out / "stderr.txt", "w+", encoding="utf-8") as errors:
            # a session of its own: Ctrl-C reaches this process only, which then asks the run to stop
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True, env=environment)
            try:
                stopped = _follow(process, out, progress)
            except KeyboardInterrupt:
                _take_back(out, there)
                raise
        if stopped or process.returncode == 0 or NEVER_BEGAN not in _reason(out):
            break
    if go_on:
        (out / "stop").unlink(missing_ok=True)
        return _status_in_batch(out, process.returncode, stopped, before)
    if not (out / "run.json").exists():  # nothing was begun: leave nothing
        reason = _reason(out)
        _take_back(out, there)
        raise WorkError(reason)
    status = RunFolder.open(out).run["status"]
    if process.returncode and status != "interrupted":
        raise WorkError(f"{_reason(out)} (see {out / 'notebook.ipynb'} and stderr.txt beside it)")
    (out / "stderr.txt").unlink(missing_ok=True)
    return status


def _take_back(out: Path, there: set[str] | None) -> None:
    """Leave nothing of a run that has not begun; names that were `there` before stay (None: the folder was not)."""
    if (out / "run.json").exists():
        return
    if there is None:
        shutil.rmtree(out, ignore_errors=True)
        return
    for name in {*PAPERMILLS, "stop"} - there:
        (out / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        out.rmdir()


def _make_ready(out: Path) -> None:
    """What an earlier attempt left without a checkpoint is removed: the run is begun anew."""
    if out.is_dir() and not (out / "checkpoint.pt").exists():
        for entry in out.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != BATCH and not entry.name.startswith("."):
                entry.unlink()
    (out / "stop").unlink(missing_ok=True)  # asked of an earlier attempt


def _stamp(out: Path) -> int | None:
    """When run.json was written last; None where there is none."""
    path = out / "run.json"
    return path.stat().st_mtime_ns if path.exists() else None


def _status_in_batch(out: Path, code: int, stopped: bool, before: int | None) -> str:
    """The run's status after papermill ended with `code`; a notebook that is no run of ours is finished when its last cell is.

    `before`: when run.json had been written before this attempt. One that could not even go on leaves what an earlier one wrote.
    """
    if stopped:
        return "interrupted"
    status = RunFolder.open(out).run["status"] if (out / "run.json").exists() else "finished"
    if code and (status != "interrupted" or _stamp(out) == before):
        raise WorkError(_reason(out))
    return status


def _follow(process: subprocess.Popen, out: Path, progress: bool) -> bool:
    """A progress bar from run.json until the process ends; Ctrl-C becomes the file `stop` in the run folder.

    Returns whether it was stopped before there was anything to save.
    """
    bar = tqdm(total=1.0, disable=not progress, bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}{postfix}")
    bar.set_description_str("starting the notebook")
    asked = stopped = False
    while process.poll() is None:
        try:
            time.sleep(0.5)
            _show(bar, out)
            if (out / "stop").exists() and not (out / "checkpoint.pt").exists() and not asked:
                stopped = True
                _end(process)
        except KeyboardInterrupt:
            if asked or not (out / "run.json").exists():  # the second time, or nothing to save yet
                _end(process)
                raise
            asked = True
            tqdm.write("stopping after this step and saving; press Ctrl-C again to stop at once.", file=sys.stderr)
            (out / "stop").touch()
    if process.returncode == 0 and not asked:
        bar.update(1.0 - bar.n)
    bar.close()
    return stopped


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait()


def _show(bar: tqdm, out: Path) -> None:
    if now := position_of(out):
        bar.set_description_str(f"level {now['level']}, {now['resolution']} x {now['resolution']}", refresh=False)
        bar.set_postfix_str(f"step {now['step']}, {now['losses']}", refresh=False)
        bar.update(max(0.0, min(0.99, now["done"]) - bar.n))


def _reason(out: Path) -> str:
    """The last line of what papermill printed: the exception that a cell raised."""
    lines = [line.strip() for line in (out / "stderr.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    last = lines[-1] if lines else "papermill stopped without a word"
    return f"the notebook failed: {last.split(': ', 1)[-1]}"
