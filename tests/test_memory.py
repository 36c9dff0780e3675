"""What a level takes is counted before it is trained, and the fastest way that fits is taken."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from idcgan import InputError, machine, memory, preset
from idcgan.building import build
from idcgan.memory import multiplies, plan_memory, room
from idcgan.state import start
from idcgan.training import resume, sparing, train

TOP = preset("paper-normal-15", resolutions=(64, 128, 256, 512, 1024, 2048), max_feature_maps=128, growth="preserve")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    """Large ones would be asked for in whatever later tests start."""
    monkeypatch.setattr(memory.tuning, "large_pages", lambda: None)


def test_processes_on_one_machine_share_its_memory(monkeypatch):
    cpu = torch.device("cpu")
    alone = room(4.0, cpu)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert (alone, room(4.0, cpu)) == (4e9, 2e9)
    monkeypatch.setattr(machine, "memory_available", lambda: 10_000)
    assert room(0.0, cpu) == 5_000


def test_runs_of_a_batch_share_what_was_free_when_it_began(monkeypatch):
    """Two that start at one time see the same free memory, and would both plan with it."""
    cpu = torch.device("cpu")
    monkeypatch.setenv(machine.SHARE, "4000")
    monkeypatch.setattr(machine, "memory_available", lambda: 10_000)
    assert room(0.0, cpu) == 4_000
    monkeypatch.setattr(machine, "memory_available", lambda: 3_000)
    assert room(0.0, cpu) == 3_000


def test_less_room_is_met_by_slower_ways_and_none_by_a_refusal():
    """From all the room there is down to too little: never a way that takes more than the limit, and slower ones only as it shrinks."""
    order = []
    for limit in (20e9, 6e9, 4.8e9, 4e9, 2.9e9):
        way = plan_memory(TOP, limit)[-1]
        assert way.memory <= limit
        order.append((not way.keep, way.recompute))
    assert order[0] == (False, 0)
    assert order == sorted(order)
    assert len(set(order)) >= 3
    too_little = r"level 2048 with batch_size 8 needs about 2\.\d GB of memory and 2\.0 GB may be used; lower batch_size.*micro_batch"
    with pytest.raises(InputError, match=too_little):
        plan_memory(TOP, 2e9)


def test_low_levels_keep_everything_where_only_the_top_is_short():
    ways = plan_memory(TOP, 4e9)
    assert [way.describe() for way in ways[:4]] == [""] * 4
    assert sparing(TOP, ways) == [f"to fit into memory, at level 2048: {ways[-1].describe()}. This costs time and changes nothing else."]


def test_micro_batches_and_processes_take_less():
    whole = plan_memory(TOP, 1e12)[-1].memory
    assert plan_memory(TOP, 1e12, processes=2)[-1].memory < 0.7 * whole
    parts = dataclasses.replace(TOP, micro_batch=2)
    assert plan_memory(parts, 1e12)[-1].memory < 0.5 * whole


def test_the_count_of_a_small_step_is_near_what_is_used(tmp_path):
    """Measured in a process of its own, at a size where tensors outweigh the interpreter."""
    import json
    import textwrap

    script = textwrap.dedent("""
        import json, sys, torch
        from idcgan import machine, preset
        from idcgan.memory import INTERPRETER, plan_memory
        from idcgan.moves import step
        from idcgan.state import start
        config = preset("paper-normal-15", resolutions=(256, 512), feature_maps_g=16, feature_maps_d=16, growth="preserve", batch_size=8,
                        precision="fp32")  # what is counted: with bfloat16, where the processor has it, half as much may be used
        way = plan_memory(config, 1e12)[-1]
        if int(sys.argv[1]):
            way = plan_memory(config, way.memory - 1)[-1]
        way.take_memory()
        before = machine.memory_peak()
        state = start(config, torch.device("cpu"), 1)
        way.take(state)
        for _ in range(3):
            step(state, config, torch.rand(8, 1, 512, 512) * 2 - 1)
        print(json.dumps([way.keep, way.memory - INTERPRETER, machine.memory_peak() - before]))
    """)
    for which, keep in ((0, True), (1, False)):
        said = []
        for _ in range(3):  # what the allocator holds on to comes on top, another amount each time (4 to 27 per cent): the least is near the need
            done = subprocess.run([sys.executable, "-c", script, str(which)], capture_output=True, text=True, timeout=170)
            assert done.returncode == 0, done.stderr
            said.append(json.loads(done.stdout))
            if said[-1][2] < 1.25 * said[-1][1]:
                break
        kept, counted, used = min(said, key=lambda one: one[2])
        assert kept is keep
        assert 0.5 < used / counted < 1.25, (keep, used, counted)


def test_a_memory_limit_is_said_kept_and_changes_nothing(finished_run, pyramid_path, tmp_path, capsys, monkeypatch, quick):
    """A tiny run in the tightest way: the same weights as in plenty, and a sentence."""
    from idcgan import memory

    tight = tuple(memory.Way(1, False, 1) for _ in range(2))
    monkeypatch.setattr("idcgan.training.plan_memory", lambda *_: tight)
    run = train(preset("tiny"), pyramid_path, tmp_path / "tight", device="cpu", progress=False, memory_limit=4.0)
    assert "at level 16: the highest block is computed twice and memory is handed back after use" in capsys.readouterr().err
    assert run.run["memory_limit"] == 4.0
    contents = [torch.load(path / "checkpoint.pt", weights_only=True) for path in (finished_run, run.path)]
    for name in ("generator", "discriminator", "average"):
        assert all(torch.equal(v, contents[1][name][k]) for k, v in contents[0][name].items())


def test_the_limit_reaches_the_plan_in_a_run_and_in_a_resume(pyramid_path, run_copy, tmp_path):
    with pytest.raises(InputError, match=r"0\.1 GB may be used"):
        train(preset("tiny"), pyramid_path, tmp_path / "new", device="cpu", progress=False, memory_limit=0.1)
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError, match=r"0\.1 GB may be used"):
        resume(run_copy, progress=False, memory_limit=0.1)


def test_multiplies_are_those_of_the_paper_and_pencil():
    """D at 64 with 8, 16, 32, 64 maps: 4 x 4 kernels at every place of their output."""
    config = preset("paper-normal-15", resolutions=(64,))
    generator, discriminator = build(config, 0, 0)
    of_d = multiplies(discriminator, torch.zeros(2, 1, 64, 64))
    assert list(of_d.values()) == [16 * 8 * 32 * 32, 16 * 8 * 16 * 16 * 16, 16 * 16 * 32 * 8 * 8, 16 * 32 * 64 * 4 * 4, 16 * 64]
    of_g = multiplies(generator, torch.zeros(2, 100))
    assert list(of_g.values()) == [100 * 64 * 16, *reversed(list(of_d.values())[:4])]  # G is D backwards


def test_a_state_starts_with_everything_kept():
    state = start(preset("tiny"), torch.device("cpu"))
    assert state.generator.recompute == state.discriminator.recompute == 0


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it():
    """Linux carries ru_maxrss over to a new process."""
    ours = torch.ones(150_000_000)  # 600 MB
    assert machine.memory_peak() > ours.nbytes
    command = "from idcgan.machine import memory_peak; print(memory_peak())"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert 0 < int(done.stdout) < ours.nbytes
