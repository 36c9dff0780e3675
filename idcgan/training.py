"""From the films to a finished run: `train`, `resume`, and what both need before and after the loop in `levels.py`.

What changes while a run trains lives in `State`, and a checkpoint is that state on disk, so that a resumed run ends bit for bit
where an unbroken one does (same machine, CPU, threads, processes; and bounded by epochs: by the clock, how many steps fit into a
minute is never quite the same twice).
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import torch

from . import machine
from .checkpoint import atomically
from .config import RunConfig
from .crew import Crew
from .errors import InputError
from .forecast import forecast, refuse_a_full_disk
from .idle_fields import without_effect
from .levels import OnLog, Session, run_levels
from .live import Live, let_go
from .loader import open_or_build
from .memory import Way, plan_memory, room
from .origin import begin, has_finished, lineage
from .pretrained import is_pretrained
from .pyramid import Pyramid
from .records import RunFolder, command_name
from .repeat import differences
from .schedule import Schedule, only_enlarged
from .state import State, refuse_changes, restore, save
from .tuning import in_16_bits
from .watch import Interruption, ProgressLine


def train(config: RunConfig, films: str | Path, out: str | Path, device: str = "auto", init: str | Path | None = None,
          progress: bool = True, on_log: OnLog | None = None, memory_limit: float = 0.0, live: Live | None = None) -> RunFolder:  # fmt: skip
    """A folder of films (or a pyramid, or "phantom:normal") in, a run folder out.

    `on_log` is called with every row of the history. `memory_limit`: GB that the run may use (0: what is free); each level is
    trained in the fastest way that fits, with the same result. `live`: a hand that changes values while it trains (one process only); what
    it does is kept in run.json. Ctrl-C saves and returns with status "interrupted". Under
    torchrun the first process does all this and the others help. Raises InputError before anything is written where the
    input or the options cannot work, WorkError where the work fails.
    """
    crew = Crew.join()
    if not crew.leads:
        return _follow(crew, device)
    out, init = Path(out).expanduser(), init if init is None or is_pretrained(init) else Path(init).expanduser()
    RunFolder.refuse(out)
    crew.check(config)
    _check_hand(live, crew)
    where = machine.choose_device(crew.device(device))
    ways = _plan(config, memory_limit, where, crew)
    refuse_a_full_disk(config, Path(out))
    ways[0].take_memory()
    state, origin = begin(config, where, init)
    pyramid = open_or_build(films, config, Path(out).parent / "pyramids", progress)
    settled = has_finished(init)
    planned_from = {"first_level": state.level, "settled": settled, "only_enlarged": only_enlarged(config, pyramid)}
    schedule = _schedule(config, pyramid, planned_from)
    cost = forecast(config, schedule, where, Path(out), ways, state.level, crew.size)
    folder = RunFolder.create(
        out, config, device=machine.describe(where), device_type=where.type, processes=crew.size, threads=torch.get_num_threads(),
        in_16_bits=in_16_bits(config, where),
        forecast=cost.to_dict(), memory_limit=memory_limit,
        data={"films": str(films), "pyramid": str(Path(pyramid.path).resolve()), "count": len(pyramid), "fingerprint": pyramid.fingerprint,
              "left_out": [film["reason"] for film in pyramid.left_out]},
        init=str(init) if init else None, began_with=lineage(init, config) if init else None, origin=origin, **planned_from,
    )  # fmt: skip
    line = ProgressLine(config, progress, weights=cost.level_seconds)
    by = f", {crew.size} processes" if crew.size > 1 else ""
    line.say(f"{len(pyramid)} films on {machine.describe(where)}{by}; {cost.describe()}")
    small = nothing_new(pyramid, config, schedule)
    for sentence in (*filter(None, [origin]), *without_effect(config), *sparing(config, ways), *small, *left_out(pyramid)):
        line.say(sentence)
    folder.run["warnings"] += small
    with folder.locked():
        return _run(Session(config, pyramid, folder, schedule, ways, crew, line, on_log, live), state)


def resume(out: str | Path, changes: dict[str, Any] | None = None, device: str = "", progress: bool = True,
           on_log: OnLog | None = None, memory_limit: float = 0.0, live: Live | None = None) -> RunFolder:  # fmt: skip
    """Go on with an interrupted run where its checkpoint stands. A finished run is returned as it is.

    It goes on with the kind of device and within the memory limit that it was started with, unless `device` and `memory_limit` say otherwise; the
    number of processes may be another; what a hand had set (`live`) is not gone on with. Raises InputError where `changes` would change the
    config, or the films are not those it was started with, or where another process trains it: that one's files are left alone.
    """
    crew = Crew.join()
    if not crew.leads:
        return _follow(crew, device)
    folder = RunFolder.open(Path(out).expanduser())
    with folder.locked():
        return _go_on(RunFolder.open(folder.path), crew, changes or {}, device, progress, on_log, memory_limit, live)


def _go_on(folder: RunFolder, crew: Crew, changes: dict[str, Any], device: str, progress: bool, on_log: OnLog | None, memory_limit: float,
           live: Live | None) -> RunFolder:  # fmt: skip
    config = RunConfig.from_dict({**folder.run["config"], **changes})
    crew.check(config)
    _check_hand(live, crew)
    where = machine.choose_device(crew.device(device or folder.run["device_type"]))
    ways = _plan(config, memory_limit or folder.run.get("memory_limit", 0.0), where, crew)
    ways[0].take_memory()
    state = restore(folder, config, where)
    for half_written in folder.path.rglob(".*.tmp"):  # by a process that was killed while it saved; the folder is ours now
        half_written.unlink(missing_ok=True)
    if folder.run["status"] == "finished":
        crew.tell(None)
        return folder
    pyramid = Pyramid.open(folder.run["data"]["pyramid"])
    if pyramid.fingerprint != folder.run["data"]["fingerprint"]:
        raise InputError(
            f"the films in {pyramid.path} are not those that {folder.path} was started with; put those back, or start a new run with these."
        )
    schedule = _schedule(config, pyramid, folder.run)
    folder.cut_history(state.rows)
    let_go(folder, state.level + 1, state.step)
    (folder.path / "stop").unlink(missing_ok=True)
    for of_an_earlier_sitting in ("error", "seconds", "final"):
        folder.run.pop(of_an_earlier_sitting, None)
    folder.write(status="running")
    line = ProgressLine(config, progress, weights=folder.run["forecast"]["level_seconds"])
    others = differences(folder.run, config, where, crew.size)
    for other in others:
        line.say(f"started with {other}: the run goes on, but not bit for bit as it would have.")
    folder.resumed(state.level, state.step, others)
    line.say(f"going on with {folder.path} at {config.resolutions[state.level]} x {config.resolutions[state.level]}, step {state.step}")
    return _run(Session(config, pyramid, folder, schedule, ways, crew, line, on_log, live), state)


def train_or_resume(config: RunConfig, films: str | Path, out: str | Path, device: str = "auto", progress: bool = True,
                    on_log: OnLog | None = None, patience: float = 60.0) -> RunFolder:  # fmt: skip
    """Go on with the run in `out` where its checkpoint stands, or start it where there is none: for a notebook that is run again.

    A finished run is returned as it is. A process that still trains there is waited for, `patience` seconds. Raises
    InputError where the run in `out` has another config or other films.
    """
    out = Path(out).expanduser()
    if not (out / "checkpoint.pt").exists():
        return train(config, films, out, device, progress=progress, on_log=on_log)
    RunFolder.wait_until_free(out, patience)
    before = RunFolder.open(out).run
    refuse_changes(RunConfig.from_dict(before["config"]).to_dict(), config)
    if before["data"]["films"] != str(films):
        raise InputError(f"the run in {out} was started with {before['data']['films']}, not with {films}; choose another run folder.")
    return resume(out, device="" if device == "auto" else device, progress=progress, on_log=on_log)


def _check_hand(live: Live | None, crew: Crew) -> None:
    if live and crew.size > 1:
        raise InputError(f"a run of {crew.size} processes cannot be steered by hand; start it in one process.")


def _run(session: Session, state: State) -> RunFolder:
    folder, line, crew = session.folder, session.line, session.crew
    try:
        with Interruption(folder.path) as interruption:
            save(state, session.config, folder)  # from here on there is always something to go on from
            crew.tell((str(folder.path.resolve()), session.ways))
            complete = run_levels(session, state, interruption)
        _close(folder)
        folder.write(status="finished" if complete else "interrupted", seconds=round(state.seconds, 2))
        line.close(complete)
        if not complete:
            line.say(f"interrupted and saved; go on with: {command_name()} train --resume {shlex.quote(str(folder.path))}")
    except BaseException as error:
        line.close(False)
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        folder.write(status=status, error=str(error) or type(error).__name__)
        raise
    return folder


def _follow(crew: Crew, device: str) -> RunFolder | None:
    """A process that does not lead: it starts from the checkpoint that the leader has written, and writes nothing."""
    said = crew.tell()
    if said is None:
        return None
    path, ways = said  # all compute the same layers twice, or sums over the crew would be of different layers
    folder = RunFolder.open(path)
    config = RunConfig.from_dict(folder.run["config"])
    where = machine.choose_device(crew.device(device or folder.run["device_type"]))
    ways[0].take_memory()
    pyramid = Pyramid.open(folder.run["data"]["pyramid"])
    schedule = _schedule(config, pyramid, folder.run)
    session = Session(config, pyramid, folder, schedule, ways, crew, ProgressLine(config, False))
    with Interruption(folder.path, listens=False) as interruption:
        run_levels(session, restore(folder, config, where), interruption)
    return folder


def sparing(config: RunConfig, ways: tuple[Way, ...]) -> list[str]:
    """A sentence where levels are trained in a way that saves memory."""
    done = [f"{r}: {way.describe()}" for r, way in zip(config.resolutions, ways, strict=True) if way.describe()]
    return [f"to fit into memory, at level {'; at '.join(done)}. This costs time and changes nothing else."] if done else []


def nothing_new(pyramid: Pyramid, config: RunConfig, schedule: Schedule) -> list[str]:
    """A sentence where trained levels are larger than films that they show, and one for each level that leaves films out or is not trained."""
    short, says = {}, []
    for level, resolution in enumerate(config.resolutions):
        shown = pyramid.larger_than(config.resolutions[level - 1]) if config.on_crops(level) else range(len(pyramid))
        if len(shown) < len(pyramid):
            below = config.resolutions[level - 1]
            count = f"{len(shown) or 'none'} of {len(pyramid)} films {'is' if len(shown) < 2 else 'are'} larger than {below} x {below}"
            enlarged = "nothing is trained, and made films are only enlarged"
            says.append(f"{count}: at {resolution} {enlarged if level in schedule.only_enlarged else 'crops are cut out of these alone'}.")
        small = sum(pyramid.films[i]["side"] < resolution for i in shown)
        if small and level not in schedule.only_enlarged:
            short[resolution] = small
    if short:
        where = ", ".join(f"{r} ({count} of {len(pyramid)} films)" for r, count in short.items())
        says.insert(0, f"some films are smaller than the level they are shown at: {where}; there they are only enlarged and hold no new detail.")
    return says


def _schedule(config: RunConfig, pyramid: Pyramid, run: dict[str, Any]) -> Schedule:
    """As planned when the run began; older ones trained each level."""
    return Schedule.plan(config, len(pyramid), run["first_level"], run.get("settled", False), run.get("only_enlarged", ()))


def _plan(config: RunConfig, memory_limit: float, where: torch.device, crew: Crew) -> tuple[Way, ...]:
    """How each level is trained within its room; a run of a batch that its share is too small for takes what its neighbours leave free."""
    try:
        return plan_memory(config, room(memory_limit, where), crew.size)
    except InputError:
        if memory_limit or machine.SHARE not in os.environ:
            raise
        return plan_memory(config, room(0.0, where, shared=False), crew.size)


def left_out(pyramid: Pyramid, most: int = 5) -> list[str]:
    """A sentence for each film that could not be used, up to `most`; run.json has them all."""
    says = [f"left out: {film['reason']}" for film in pyramid.left_out[:most]]
    more = len(pyramid.left_out) - most
    return [*says, f"left out: {more} more, see data in run.json"] if more > 0 else says


def _close(folder: RunFolder) -> None:
    """Loss curves, time-lapse and the last figures; the curves need matplotlib, and a machine without it goes without."""
    rows = folder.history()
    folder.run["peak_memory"] = max(machine.memory_peak(), folder.run.get("peak_memory", 0))
    folder.save_timelapse()
    if rows:
        folder.run["final"] = {name: rows[-1][name] for name in ("loss_d", "loss_g", "d_real", "d_fake")}
    try:
        from .plots import plot_losses, to_png
    except ImportError:
        folder.run["warnings"].append("losses.png was not drawn: matplotlib is not installed.")
        return
    png = to_png(plot_losses(rows), dpi=120)
    atomically(folder.path / "losses.png", lambda path: path.write_bytes(png))
