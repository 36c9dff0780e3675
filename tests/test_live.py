"""A hand on a run: what it changes, what it leaves alone, what is kept of it; pauses; and what a resume makes of it."""

import contextlib
import itertools
import json
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from conftest import assert_same_run, history_of, until
from safetensors import safe_open

from idcgan.config import preset
from idcgan.crew import Crew
from idcgan.errors import InputError
from idcgan.live import FIELDS, STEERED, Live, in_force, let_go
from idcgan.records import RunFolder
from idcgan.repeat import like
from idcgan.sampling import load_generator, provenance
from idcgan.schedule import Clock
from idcgan.training import resume, train

pytestmark = pytest.mark.usefixtures("quick")


def run(pyramid, out, live=None, hand=None, **changes):
    """A tiny run (6 steps at 16, 6 at 32); `hand(live, row)` is called after every step."""
    on_log = (lambda row: hand(live, row)) if hand else None
    return train(preset("tiny", **changes), pyramid, out, "cpu", progress=False, on_log=on_log, live=live)


def said(out) -> dict:
    return json.loads((out / "run.json").read_text())


def test_an_idle_hand_changes_nothing(pyramid_path, finished_run, tmp_path):
    folder = run(pyramid_path, tmp_path / "run", Live())
    assert_same_run(folder.path, finished_run)
    assert "by_hand" not in folder.run
    assert folder.run["warnings"] == []


def test_the_rates_fall_and_films_are_blended_as_the_config_says(pyramid_path, tmp_path, monkeypatch):
    from idcgan import levels

    seen, real_step = [], levels.step

    def looking(state, config, real, crew):
        seen.append((state.level, state.optimizer_g.param_groups[0]["lr"], state.optimizer_d.param_groups[0]["lr"], state.generator.alpha))
        return real_step(state, config, real, crew)

    monkeypatch.setattr(levels, "step", looking)
    config = preset("tiny", transition="fade", cool_down=0.5, learning_rate_d=0.001, beta1=0.3, beta2=0.9)
    train(config, pyramid_path, tmp_path / "run", "cpu", progress=False)
    rates = [(g, d) for _, g, d, _ in seen]
    half = len(rates) // 2
    assert rates[:half] == [(config.learning_rate, 0.001)] * half
    assert all(a > b for a, b in itertools.pairwise(g for g, _ in rates[half:]))
    assert rates[-1][0] < 0.3 * config.learning_rate
    assert all(d / g == pytest.approx(0.001 / config.learning_rate) for g, d in rates)
    alphas = [alpha for level, *_, alpha in seen if level == 1]
    assert alphas[0] < 0.5 < alphas[-1] == 1.0
    assert alphas == sorted(alphas)
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert all(saved[name]["param_groups"][0]["betas"] == (0.3, 0.9) for name in ("optimizer_g", "optimizer_d"))


def test_what_is_set_acts_from_the_next_step_on_and_is_kept(pyramid_path, tmp_path, monkeypatch):
    from idcgan import levels

    seen, real_step = [], levels.step

    def looking(state, config, real, crew):
        seen.append((state.optimizer_g.param_groups[0]["lr"], state.optimizer_d.param_groups[0]["lr"], config.augment_strength))
        return real_step(state, config, real, crew)

    monkeypatch.setattr(levels, "step", looking)

    def hand(live, row):
        if (row["level"], row["step"]) == (1, 2):
            live.set(learning_rate=0.01, augment_strength=0.5)
        if (row["level"], row["step"]) == (1, 4):
            live.set(learning_rate=None)
        if (row["level"], row["step"]) == (2, 1):
            live.release()

    folder = run(pyramid_path, tmp_path / "run", Live(), hand)
    rate = preset("tiny").learning_rate
    assert seen == [*[(rate, rate, 1.0)] * 2, *[(0.01, 0.01, 0.5)] * 2, *[(rate, rate, 0.5)] * 3, *[(rate, rate, 1.0)] * 5]
    assert folder.run["by_hand"] == said(folder.path)["by_hand"] == [
        {"step": 3, "level": 1, "field": "learning_rate", "value": 0.01},
        {"step": 3, "level": 1, "field": "augment_strength", "value": 0.5},
        {"step": 5, "level": 1, "field": "learning_rate", "value": None},
        {"step": 2, "level": 2, "field": "augment_strength", "value": None},
    ]  # fmt: skip
    assert folder.run["config"] == preset("tiny").to_dict(), "the config is what was asked for; the hand stands beside it"
    (warning,) = folder.run["warnings"]
    assert warning.startswith(f"{STEERED} from level 1, step 3 on")


def test_d_can_have_a_rate_of_its_own(pyramid_path, tmp_path, monkeypatch):
    from idcgan import levels

    rates, real = [], levels.set_rates
    monkeypatch.setattr(levels, "set_rates", lambda state, config, warmth: rates.append(config.rates()) or real(state, config, warmth))
    live = Live()
    live.set(learning_rate_d=0.002)
    run(pyramid_path, tmp_path / "run", live)
    assert set(rates) == {(preset("tiny").learning_rate, 0.002)}


def test_the_replaced_share_follows_the_hand_and_then_the_schedule(pyramid_path, finished_run, tmp_path):
    def hand(live, row):
        if (row["level"], row["step"]) == (1, 6):
            live.set(replaced=0.5)
        if (row["level"], row["step"]) == (2, 3):
            live.set(replaced=None)

    rows = history_of(run(pyramid_path, tmp_path / "run", Live(), hand, workers=0).path)
    by_hand, by_schedule = ([float(row["replaced"]) for row in r] for r in (rows, history_of(finished_run)))
    assert by_hand[:6] == [1.0] * 6, "the first level has nothing to replace"
    assert by_hand[6:9] == [0.5] * 3
    assert by_hand[9:] == by_schedule[9:]
    assert by_hand[6:9] != by_schedule[6:9]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replaced": 1.1}, r"replaced is 1\.1; it must lie between 0\.0 and 1\.0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"augment_strength": -1}, "augment_strength is -1"),
        ({"batch_size": 4}, "batch_size cannot be set while a run trains; choose from learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_what_cannot_be_set_is_refused(values, says):
    live = Live()
    with pytest.raises(InputError, match=says):
        live.set(**values)
    assert live.wanted == {}


def test_what_it_made_says_that_a_hand_was_in_it(pyramid_path, finished_run, tmp_path):
    live = Live()
    live.set(learning_rate=0.001)
    folder = run(pyramid_path, tmp_path / "run", live)
    with safe_open(str(folder.path / "generator-0032.safetensors"), "pt") as file:
        assert json.loads(file.metadata()["by_hand"]) == folder.run["by_hand"]
    assert "by hand" in provenance(load_generator(folder.path), 0)["idcgan:by-hand"]
    assert "idcgan:by-hand" not in provenance(load_generator(finished_run), 0)
    sentences = [like(path, {}, tmp_path / "shelf", torch.device("cpu"), progress=False)[3] for path in (folder.path, finished_run)]
    assert [any("steered by hand" in s for s in one) for one in sentences] == [True, False]


# ---- pause and stop ------------------------------------------------------------------------------------------------------


def in_thread(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def pausing(at):
    return lambda live, row: live.pause() if (row["level"], row["step"]) == at else None


def test_a_pause_holds_the_run_between_two_steps_and_changes_nothing(pyramid_path, finished_run, tmp_path):
    live, out = Live(), tmp_path / "run"
    thread = in_thread(lambda: run(pyramid_path, out, live, pausing((2, 2))))
    until(lambda: live.paused)
    until(lambda: torch.load(out / "checkpoint.pt", weights_only=True)["position"]["step"] == 2)  # saved while it waits
    time.sleep(0.3)
    assert len(history_of(out)) == 8, "it went on"
    live.resume()
    thread.join(30)
    assert said(out)["status"] == "finished"
    assert_same_run(out, finished_run)


def test_a_pause_takes_no_minutes(pyramid_path, tmp_path, monkeypatch):
    """The clock is held for as long as it lasts (what that does: the next test)."""
    live, out, at = Live(), tmp_path / "run", []
    held = Clock.held

    @contextlib.contextmanager
    def watched(clock):
        with held(clock):
            at.append("held")
            yield
            at.append("paused" if live.paused else "going on")

    monkeypatch.setattr(Clock, "held", watched)
    thread = in_thread(lambda: run(pyramid_path, out, live, pausing((1, 3))))
    until(lambda: live.paused and at)
    live.resume()
    thread.join(30)
    assert said(out)["status"] == "finished"
    assert at == ["held", "going on"]


def test_a_held_clock_stands_still(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("idcgan.schedule.time", SimpleNamespace(monotonic=lambda: now[0]))
    clock = Clock(5.0)
    now[0] += 2.0
    with clock.held():
        now[0] += 50.0
    assert clock.now() == 7.0
    assert not clock.time_to_save(10.0)
    now[0] += 9.0
    assert clock.time_to_save(10.0)


@pytest.mark.parametrize("while_paused", [True, False])
def test_stop_saves_and_the_rest_is_as_if_nothing_had_been(pyramid_path, finished_run, tmp_path, while_paused):
    live, out = Live(), tmp_path / "run"
    if while_paused:
        thread = in_thread(lambda: run(pyramid_path, out, live, pausing((1, 4))))
        until(lambda: live.paused)
        live.stop()
        thread.join(30)
    else:
        run(pyramid_path, out, live, lambda live, row: live.stop() if (row["level"], row["step"]) == (1, 4) else None)
    assert said(out)["status"] == "interrupted"
    assert len(history_of(out)) == 4
    assert resume(out, device="cpu", progress=False).run["status"] == "finished"
    assert_same_run(out, finished_run)


# ---- and a resume --------------------------------------------------------------------------------------------------------


def test_a_resume_starts_again_from_the_config_and_says_so(pyramid_path, tmp_path):
    out = tmp_path / "run"

    def hand(live, row):
        if row["step"] == 2:
            live.set(learning_rate=0.01)
        if row["step"] == 4:
            live.stop()

    assert run(pyramid_path, out, Live(), hand).run["status"] == "interrupted"
    folder = resume(out, device="cpu", progress=False)
    assert folder.run["status"] == "finished"
    assert [(e["level"], e["step"], e["value"]) for e in folder.run["by_hand"]] == [(1, 3, 0.01), (1, 5, None)]
    assert len(folder.run["warnings"]) == 1


@pytest.mark.parametrize(
    ("position", "kept"),
    [
        ((1, 2), None),  # before the first touch: nothing of it is in the checkpoint
        ((1, 3), [("learning_rate", 3, 0.1), ("learning_rate", 4, None)]),
        ((2, 0), [("learning_rate", 3, 0.1), ("replaced", 5, 0.5), ("replaced", 6, None), ("learning_rate", 1, None)]),
    ],
)
def test_steps_that_are_made_again_are_made_without_the_hand(tmp_path, position, kept):
    entries = [
        {"step": 3, "level": 1, "field": "learning_rate", "value": 0.1},
        {"step": 5, "level": 1, "field": "replaced", "value": 0.5},
        {"step": 6, "level": 1, "field": "replaced", "value": None},
        {"step": 2, "level": 2, "field": "replaced", "value": 0.9},
    ]
    folder = RunFolder(tmp_path, {"by_hand": entries, "warnings": ["another one", f"{STEERED} from level 1, step 3 on"]})
    let_go(folder, *position)
    found = folder.run.get("by_hand")
    assert kept == (found and [(e["field"], e["step"], e["value"]) for e in found])
    assert len(folder.run["warnings"]) == (1 if kept is None else 2)
    assert not found or in_force(found) == {}


def test_a_crew_has_no_hand(pyramid_path, tmp_path, monkeypatch):
    monkeypatch.setattr(Crew, "join", classmethod(lambda cls: cls(0, 2)))
    with pytest.raises(InputError, match="a run of 2 processes cannot be steered"):
        run(pyramid_path, tmp_path / "run", Live())
    assert not (tmp_path / "run").exists()


def test_fields_are_those_of_a_config_and_the_share():
    assert set(FIELDS) - {"replaced"} <= preset("tiny").to_dict().keys()
