"""Notebooks as runs: papermill executes one in a process of its own, and the run folder tells how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from .errors import InputError, WorkError
from .records import RunFolder


def execute(notebook: Path, parameters: dict[str, Any], out: Path, progress: bool = True) -> str:
    """Run `notebook` with `parameters` injected; the executed copy is out/notebook.ipynb. Returns the run's status.

    One process per run: two kernels driven from threads of one process hang. Ctrl-C lets the run finish its step and
    save. Raises InputError for an unknown parameter (papermill only warns), WorkError where a cell failed.
    """
    check_parameters(notebook, parameters)
    RunFolder.refuse(out)
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "papermill", str(notebook), str(out / "notebook.ipynb"), "--no-progress-bar", "--cwd", str(notebook.parent),
               "--parameters_yaml", json.dumps(parameters)]  # fmt: skip
    with open(out / "stderr.txt", "w+", encoding="utf-8") as errors:
        # a session of its own: Ctrl-C reaches this process only, which then asks the run to stop
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True)
        _follow(process, out, progress)
    if not (out / "run.json").exists():  # nothing was begun: leave nothing
        reason = _reason(out)
        shutil.rmtree(out)
        raise WorkError(reason)
    status = RunFolder.open(out).run["status"]
    if process.returncode and status != "interrupted":
        raise WorkError(f"{_reason(out)} (see {out / 'notebook.ipynb'} and stderr.txt beside it)")
    (out / "stderr.txt").unlink(missing_ok=True)
    return status


def check_parameters(notebook: Path, parameters: dict[str, Any]) -> None:
    """Raises InputError where the notebook has no such parameter, or is not there."""
    from papermill import inspect_notebook

    if not notebook.is_file():
        raise InputError(f"{notebook} is not there; run this from the project's folder, or name the notebook with --notebook.")
    known = inspect_notebook(str(notebook))
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise InputError(f"{notebook} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}.")


def _follow(process: subprocess.Popen, out: Path, progress: bool) -> None:
    """A progress bar from run.json until the process ends; Ctrl-C becomes the file `stop` in the run folder."""
    bar = tqdm(total=1.0, disable=not progress, bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed} < {remaining}{postfix}")
    bar.set_description_str("starting the notebook")
    asked = False
    while process.poll() is None:
        try:
            time.sleep(0.5)
            _show(bar, out)
        except KeyboardInterrupt:
            if asked or not (out / "run.json").exists():  # the second time, or nothing to save yet
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                if not (out / "run.json").exists():
                    shutil.rmtree(out, ignore_errors=True)
                raise
            asked = True
            tqdm.write("stopping after this step and saving; press Ctrl-C again to stop at once.", file=sys.stderr)
            (out / "stop").touch()
    if process.returncode == 0 and not asked:
        bar.update(1.0 - bar.n)
    bar.close()


def _show(bar: tqdm, out: Path) -> None:
    try:
        now = json.loads((out / "run.json").read_text(encoding="utf-8")).get("progress")
    except (OSError, ValueError):
        return
    if now:
        bar.set_description_str(f"level {now['level']}, {now['resolution']} x {now['resolution']}", refresh=False)
        bar.set_postfix_str(f"step {now['step']}, {now['losses']}", refresh=False)
        bar.update(max(0.0, min(0.99, now["done"]) - bar.n))


def _reason(out: Path) -> str:
    """The last line of what papermill printed: the exception that a cell raised."""
    lines = [line.strip() for line in (out / "stderr.txt").read_text(encoding="utf-8").splitlines() if line.strip()]
    last = lines[-1] if lines else "papermill stopped without a word"
    return f"the notebook failed: {last.split(': ', 1)[-1]}"
