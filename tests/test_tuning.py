"""What makes a step fast or small changes nothing else: blocks computed again, micro-batches, sixteen bits, memory kept."""

import pytest
import torch

from idcgan import preset, tuning
from idcgan.moves import step
from idcgan.state import start
from idcgan.tuning import has_bfloat16

CPU = torch.device("cpu")


@pytest.mark.parametrize("changes", [{}, {"growth": "reset"}, {"channels": 3}, {"blur": True}])
def test_computing_blocks_again_changes_nothing(changes):
    """The weights after two steps are the same bit for bit, running statistics too."""
    config = preset("tiny", resolutions=(16, 32, 64), **changes)
    films = torch.rand(4, config.channels, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    states = []
    for blocks in (0, 1, 3):
        state = start(config, CPU, 2)
        state.recompute(blocks)
        for _ in range(2):
            step(state, config, films)
        states.append(state)
    for name in ("generator", "discriminator", "average"):
        kept = getattr(states[0], name).state_dict()
        for other in states[1:]:
            assert all(torch.equal(kept[k], v) for k, v in getattr(other, name).state_dict().items())


def test_micro_batches_that_are_the_whole_batch_change_nothing_and_halves_do():
    films = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    weights = []
    for micro in (0, 4, 2):
        config = preset("tiny", micro_batch=micro, augment=())
        state = start(config, CPU)
        out = step(state, config, films)
        assert out["fake"].shape == films.shape
        assert state.films_seen == 4
        assert int(state.generator.blocks["4"][1].num_batches_tracked) == (2 if micro == 2 else 1)
        weights.append(torch.cat([p.detach().flatten() for p in state.discriminator.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("says", "hardware"),
    [({"amx_bf16": True, "avx512_bf16": True}, True), ({"avx512_bf16": True}, True), ({"avx512_f": True, "avx512_bf16": False}, False), ({}, False)],
)
def test_sixteen_bits_are_taken_where_the_processor_has_instructions_for_them(monkeypatch, says, hardware):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: says)
    assert has_bfloat16(CPU) is hardware
    assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    with tuning.arithmetic(preset("tiny"), CPU):
        assert torch.is_autocast_enabled("cpu") is hardware


def test_sixteen_bit_arithmetic_stays_near_and_keeps_what_matters_in_32():
    films = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    said = {}
    for precision in ("fp32", "auto", "bf16"):
        config = preset("tiny", precision=precision)
        state = start(config, CPU, 1)
        said[precision] = step(state, config, films)
        assert {p.dtype for n in (state.generator, state.discriminator) for p in n.parameters()} == {torch.float32}
        assert {v.dtype for v in said[precision].values()} == {torch.float32}
    assert torch.equal(said["auto"]["loss_d"], said["bf16" if has_bfloat16(CPU) else "fp32"]["loss_d"]), "auto is 16 bits where they are in hardware"
    assert not torch.equal(said["fp32"]["fake"], said["bf16"]["fake"]), "nothing was computed in 16 bits"
    assert said["bf16"]["loss_d"].item() == pytest.approx(said["fp32"]["loss_d"].item(), rel=0.02)
    assert (said["bf16"]["fake"] - said["fp32"]["fake"]).abs().max() < 0.05


def test_a_step_never_waits_for_the_device():
    """No number is read back to the host: on a GPU each would stop the queue. What may be read back is counted by its operator."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.reads = []

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if any(word in str(function) for word in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal.")):
                self.reads.append(str(function))
            return function(*args, **(kwargs or {}))

    config = preset("tiny", augment=("brightness", "contrast", "translation", "cutout", "flip"))
    state = start(config, CPU, 1)
    films = torch.rand(4, 1, 32, 32) * 2 - 1
    with Count() as counted:
        out = step(state, config, films)
        assert counted.reads == []
        out["loss_d"].item()
        assert len(counted.reads) == 1  # the count does see one


def test_memory_is_kept_or_given_back_and_nothing_happens_elsewhere(monkeypatch):
    kept, given = tuning.keep_memory(), tuning.give_memory_back()
    assert kept == given
    monkeypatch.setattr("sys.platform", "darwin")
    assert not tuning.keep_memory()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())  # musl: a library without mallopt
    assert not tuning.keep_memory()
    assert not tuning.give_memory_back()


def test_apples_gpus_get_the_plain_order():
    assert tuning.memory_format(torch.device("mps")) == torch.contiguous_format
    assert tuning.memory_format(torch.device("cuda")) == tuning.memory_format(CPU) == torch.channels_last
