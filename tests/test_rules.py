"""The five rules hold for every network of ours and for the tutorial's DCGAN, and each way to break one is found."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from idcgan.building import build, grow
from idcgan.config import RunConfig
from idcgan.errors import InputError
from idcgan.rules import RULES, check_dcgan_rules


def broken_rules(network: nn.Module, role: str = "") -> set[int]:
    return {check.rule for check in check_dcgan_rules(network, role) if not check.passed}


@pytest.mark.parametrize("growth", ["preserve", "reset", "scratch"])
@pytest.mark.parametrize("blur", [False, True])
def test_our_networks_keep_all_rules_at_every_level(growth, blur):
    config = RunConfig(resolutions=(16, 32, 128), growth=growth, blur=blur, feature_maps_g=2, feature_maps_d=2, max_feature_maps=8, latent_dim=6)
    networks = build(config, 0, 0)
    for level in range(3):
        if level:
            networks = grow(config, level, 0, *networks)
        for network, role in zip(networks, ("generator", "discriminator"), strict=True):
            assert broken_rules(network) == set(), (level, role)
            assert broken_rules(network, role) == set()
            checks = check_dcgan_rules(network)
            assert {check.rule for check in checks} >= {1, 2, 3}
            assert (4 in {c.rule for c in checks}) == (role == "generator")
            assert (5 in {c.rule for c in checks}) == (role == "discriminator")
            learned = sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in network.modules())
            assert len([c for c in checks if c.rule == 1]) == learned, "a layer was overlooked"
            assert len([c for c in checks if c.rule == 3]) == learned


def up(maps_in: int, maps_out: int, *after: nn.Module) -> list[nn.Module]:
    return [nn.ConvTranspose2d(maps_in, maps_out, 4, 2, 1, bias=False), *after]


def down(maps_in: int, maps_out: int, *after: nn.Module) -> list[nn.Module]:
    return [nn.Conv2d(maps_in, maps_out, 4, 2, 1, bias=False), *after]


def generator(middle: list[nn.Module] | None = None, end: list[nn.Module] | None = None) -> nn.Sequential:
    """The generator of the PyTorch tutorial, smaller; `middle` and `end` can be exchanged."""
    return nn.Sequential(
        nn.ConvTranspose2d(10, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        *(up(8, 4, nn.BatchNorm2d(4), nn.ReLU(True)) if middle is None else middle),
        *(up(4, 1, nn.Tanh()) if end is None else end),
    )  # fmt: skip


def discriminator(start: list[nn.Module] | None = None, middle: list[nn.Module] | None = None, end: list[nn.Module] | None = None) -> nn.Sequential:
    """The discriminator of the PyTorch tutorial, smaller, with its Sigmoid at the end."""
    return nn.Sequential(
        *(down(1, 4, nn.LeakyReLU(0.2, True)) if start is None else start),
        *(down(4, 8, nn.BatchNorm2d(8), nn.LeakyReLU(0.2, True)) if middle is None else middle),
        *([nn.Conv2d(8, 1, 4, 1, 0, bias=False), nn.Sigmoid()] if end is None else end),
    )  # fmt: skip


def test_the_tutorials_dcgan_keeps_all_rules():
    picture = generator()(torch.randn(2, 10, 1, 1))
    assert discriminator()(picture).shape == (2, 1, 1, 1)
    assert broken_rules(generator()) == set()
    assert broken_rules(discriminator()) == set()


class Forward(nn.Module):
    """A network with something done to the picture in `forward`, where no list of layers shows it."""

    def __init__(self, network: nn.Sequential, at: int, does) -> None:
        super().__init__()
        self.network, self.at, self.does = network, at, does
        self.weight = nn.Parameter(torch.eye(8))

    def forward(self, x):
        for i, layer in enumerate(self.network):
            if i == self.at:
                x = self.does(self, x)
            x = layer(x)
        return x


BROKEN = {
    # rule 1: no pooling, no resizing
    "max pool in D": (discriminator(middle=[nn.Conv2d(4, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.MaxPool2d(2)]), 1),
    "average pool in D": (discriminator(middle=[nn.Conv2d(4, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.AvgPool2d(2)]), 1),
    "F.max_pool2d in D's forward": (Forward(discriminator(), 2, lambda _, x: F.max_pool2d(x, 2)), 1),
    "F.avg_pool2d in D's forward": (Forward(discriminator(), 2, lambda _, x: F.avg_pool2d(x, 2)), 1),
    "adaptive pooling in D's forward": (Forward(discriminator(), 2, lambda _, x: F.adaptive_avg_pool2d(x, 8)), 1),
    "F.interpolate in G's forward": (Forward(generator(), 3, lambda _, x: F.interpolate(x, scale_factor=2)), 1),
    "nn.Upsample in G": (generator([nn.Upsample(scale_factor=2), nn.Conv2d(8, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]), 1),
    "pixel shuffle in G": (generator([nn.Conv2d(8, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.PixelShuffle(2)]), 1),
    # rule 2: nothing fully connected
    "Linear in D": (discriminator(end=[nn.Flatten(), nn.Linear(8 * 16, 1), nn.Sigmoid()]), 2),
    "Linear in G": (nn.Sequential(nn.Linear(10, 128), nn.Unflatten(1, (8, 4, 4)), *generator()[1:]), 2),
    "F.linear in D's forward": (Forward(discriminator(), 2, lambda net, x: F.linear(x.flatten(2), torch.ones(64, 64)).view(-1, 4, 8, 8)), 2),
    "a matrix product in D's forward": (Forward(discriminator(), 2, lambda net, x: torch.matmul(x, net.weight)), 2),
    "the @ operator in D's forward": (Forward(discriminator(), 2, lambda net, x: x @ net.weight), 2),
    # rule 3: batch norm after every layer but G's last and D's first
    "no batch norm in the middle of G": (generator(up(8, 4, nn.ReLU())), 3),
    "no batch norm in the middle of D": (discriminator(middle=down(4, 8, nn.LeakyReLU(0.2))), 3),
    "batch norm at G's output": (generator(end=up(4, 1, nn.BatchNorm2d(1), nn.Tanh())), 3),
    "batch norm at D's input": (discriminator(start=down(1, 4, nn.BatchNorm2d(4), nn.LeakyReLU(0.2))), 3),
    "instance norm in G": (generator(up(8, 4, nn.InstanceNorm2d(4, affine=True), nn.ReLU())), 3),
    "group norm in D": (discriminator(middle=down(4, 8, nn.GroupNorm(2, 8), nn.LeakyReLU(0.2))), 3),
    "F.instance_norm in G's forward": (Forward(generator(up(8, 4, nn.ReLU())), 4, lambda _, x: F.instance_norm(x)), 3),
    # rule 4: ReLU in G, Tanh at its output
    "LeakyReLU in G": (generator(up(8, 4, nn.BatchNorm2d(4), nn.LeakyReLU(0.2))), 4),
    "ELU in G": (generator(up(8, 4, nn.BatchNorm2d(4), nn.ELU())), 4),
    "nothing after a batch norm in G": (generator(up(8, 4, nn.BatchNorm2d(4))), 4),
    "Sigmoid at G's output": (generator(end=up(4, 1, nn.Sigmoid())), 4),
    "nothing at G's output": (generator(end=up(4, 1)), 4),
    # rule 5: LeakyReLU in D
    "ReLU in D": (discriminator(middle=down(4, 8, nn.BatchNorm2d(8), nn.ReLU())), 5),
    "ReLU at D's input": (discriminator(start=down(1, 4, nn.ReLU())), 5),
    "F.relu in D's forward": (Forward(discriminator(start=down(1, 4)), 1, lambda _, x: F.relu(x)), 5),
    "nothing after D's first layer": (discriminator(start=down(1, 4)), 5),
    "Tanh as D's verdict": (discriminator(end=[nn.Conv2d(8, 1, 4, 1, 0, bias=False), nn.Tanh()]), 5),
    "Sigmoid inside D": (discriminator(middle=down(4, 8, nn.BatchNorm2d(8), nn.Sigmoid())), 5),
}  # fmt: skip


@pytest.mark.parametrize(("network", "rule"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_found_by_its_number(network, rule):
    role = "generator" if "ConvTranspose2d" in repr(network) else "discriminator"
    assert broken_rules(network, role) == {rule}
    failed = next(check for check in check_dcgan_rules(network, role) if not check.passed)
    assert failed.layer
    assert failed.sentence
    assert failed.rule in RULES


def test_the_role_is_told_by_the_layers():
    assert 4 in {check.rule for check in check_dcgan_rules(generator())}
    assert 5 in {check.rule for check in check_dcgan_rules(discriminator())}


def test_the_layer_at_fault_is_named():
    network = discriminator(middle=down(4, 8, nn.BatchNorm2d(8), nn.ReLU()))
    failed = [check for check in check_dcgan_rules(network) if not check.passed]
    assert {check.layer for check in failed} == {"3", "4"}, "a batch norm before D's last layer but one, and ReLU"


def test_a_forward_that_cannot_be_followed_is_an_input_error():
    class Branches(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match="Branches cannot be traced"):
        check_dcgan_rules(Branches())


def test_checking_leaves_the_network_as_it_is():
    network = generator()
    before = [p.clone() for p in network.state_dict().values()]
    check_dcgan_rules(network)
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert network.training
