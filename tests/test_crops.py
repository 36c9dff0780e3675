"""The highest levels on crops: what a crop is, what learns there and what does not, and runs that go that way."""

import copy
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import assert_same_run, write_film
from PIL import Image
from torch import nn

from idcgan import InputError, preset
from idcgan.batches import MixedBatches, ResidentBatches
from idcgan.building import build, build_discriminator
from idcgan.cli import describe_run
from idcgan.crops import CORE, MARGIN, ConvOfFilm2d, PatchDiscriminator, corners, corners_of, cut_at
from idcgan.fixed_maps import enlarge, lagrange
from idcgan.memorising import discriminator_of
from idcgan.memory import plan_memory
from idcgan.moves import step
from idcgan.networks import feature_maps
from idcgan.origin import begin, start_from
from idcgan.pyramid import Pyramid
from idcgan.records import RunFolder
from idcgan.rules import check_dcgan_rules
from idcgan.sampling import load_generator
from idcgan.state import finished_generator, raise_resolution, save, start
from idcgan.training import resume, train

CPU = torch.device("cpu")
CONFIG = preset("tiny", resolutions=(32, 64, 128), crops_from=128, crop=64, crop_maps=4, edges="replicate", smooth_from=32, grain=True)
ABOVE_SHIPPED = preset("recommended", resolutions=(256, 512), crops_from=512, feature_maps_g=8, feature_maps_d=8)


def low(films, share):
    """The standard deviation of what lies below `share` of the Nyquist frequency, along both axes."""
    spectrum = torch.fft.fft2(films - films.mean((2, 3), keepdim=True))
    at = torch.fft.fftfreq(films.shape[-1]).abs() < share / 2
    return torch.fft.ifft2(spectrum * at * at[:, None]).real.std().item()


@pytest.fixture(autouse=True)
def _same_numbers():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Eight phantom films at 32, 64 and 128."""
    path = tmp_path_factory.mktemp("films") / "pyramid"
    return Pyramid.build("phantom:normal:8", path, (32, 64, 128), workers=1, progress=False)


@pytest.fixture
def grown():
    """A state at the level on crops, over a level of films that has made a few steps."""
    state = start(CONFIG, CPU, 1)
    for _ in range(3):
        step(state, CONFIG, torch.rand(4, 1, 64, 64) * 2 - 1)
    raise_resolution(state, CONFIG)
    return state


@pytest.mark.parametrize("others", [{}, {"lagrange_from": 128}, {"spline_from": 32}])
@pytest.mark.parametrize(("resolution", "crop", "edges"), [(128, 64, "replicate"), (256, 64, "replicate"), (256, 128, "zeros")])
def test_a_crop_is_what_the_whole_film_has_there(resolution, crop, edges, others):
    levels = (resolution // 2, resolution)
    wanted = dataclasses.replace(CONFIG, resolutions=levels, crops_from=resolution, crop=crop, grain=False, edges=edges, kernels="he",
                                 **others)  # fmt: skip
    generator = build(wanted, 1, 0)[0].eval()
    z = torch.randn(5, wanted.latent_dim)
    crops = generator(z)
    assert crops.shape == (5, 1, crop, crop)
    assert all(check.passed for check in check_dcgan_rules(generator, "generator"))
    generator.crop = 0
    scale = resolution // cut_at(resolution, crop)
    for crop_made, film, (row, column) in zip(crops, generator(z), corners_of(z, resolution, crop), strict=True):
        whole = film[:, scale * row : scale * row + crop, scale * column : scale * column + crop]
        # filters look a few pixels farther, a hundredth as closely
        assert torch.allclose(crop_made, whole, atol=3e-5 if "lagrange_from" in others else 1e-5)
        assert whole.std() > 1e-3


def test_a_crop_of_several_levels_lagrange_is_what_the_whole_film_has_there_nearly():
    """Its ends reach beyond the margin there: the outermost pixels are off, by next to nothing."""
    wanted = dataclasses.replace(CONFIG, resolutions=(128, 256, 512), crops_from=256, crop=128, grain=False, kernels="he", lagrange_from=256)
    generator = build(wanted, 2, 0)[0].eval()
    z = torch.randn(3, wanted.latent_dim)
    crops = generator(z)
    generator.crop = 0
    for crop, film, (row, column) in zip(crops, generator(z), corners_of(z, 512, 128), strict=True):
        whole = film[:, 8 * row : 8 * row + 128, 8 * column : 8 * column + 128]
        assert (crop - whole).abs().max() < 0.01 * whole.std()
        assert torch.allclose(crop[:, 8:-8, 8:-8], whole[:, 8:-8, 8:-8], atol=1e-5)


def test_places_are_those_of_the_latents_and_spread_over_the_film():
    z = torch.randn(400, 7)
    places = np.array(corners_of(z, 512, 128))
    assert corners_of(z[5:6], 512, 128) == [tuple(places[5])]
    room = cut_at(512, 128)
    assert (places.min(), places.max()) == (MARGIN, room - CORE - MARGIN)
    of_real = corners(np.random.default_rng(0), 400, 512, 128)
    assert abs(of_real.mean() - places.mean()) < 2, "fake and real crops lie alike"


@pytest.mark.parametrize(("lagrange_from", "enlarged_by"), [(0, enlarge), (64, lagrange), (128, lagrange), (256, enlarge)])
def test_growing_leaves_the_finished_films_of_the_level_below_as_they_are(lagrange_from, enlarged_by):
    config = dataclasses.replace(CONFIG, lagrange_from=lagrange_from)
    state = start(config, CPU, 1)
    for _ in range(3):
        step(state, config, torch.rand(4, 1, 64, 64) * 2 - 1)
    below = finished_generator(state, config)
    raise_resolution(state, config)
    z = torch.randn(3, config.latent_dim)
    for network in (state.generator, state.average):
        assert network.crop == 64
        network.crop = 0
        enlarged = torch.tanh(enlarged_by(torch.atanh(below(z).clamp(-0.999999, 0.999999))))
        assert torch.allclose(network.eval()(z), enlarged, atol=1e-4)


def test_only_new_layers_learn(grown):
    newest = ("blocks.64.", "grain.64.", "heads.128.")
    before = {name: value.clone() for name, value in grown.generator.state_dict().items()}
    for _ in range(3):
        out = step(grown, CONFIG, torch.rand(4, 1, 64, 64) * 2 - 1)
    assert out["fake"].shape == (4, 1, 64, 64)
    for name, value in grown.generator.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved == name.startswith(newest), name
        if not moved:
            assert torch.equal(grown.average.state_dict()[name], value), name
    assert {name for name, p in grown.generator.named_parameters() if p.grad is not None} == {
        name for name, _ in grown.generator.named_parameters() if name.startswith(newest)
    }


@pytest.mark.parametrize("lagrange_from", [0, 128])
def test_new_layers_add_what_is_fine_and_leave_what_is_coarse(grown, lagrange_from):
    """Before Tanh, a film at 128 halved is the finished film at 64, nearly; by Lanczos and polynomials, what lies well below is left alone."""
    grown.generator.lagrange_from = lagrange_from
    for _ in range(3):
        step(grown, CONFIG, torch.rand(4, 1, 64, 64) * 2 - 1)
    nn.init.normal_(grown.generator.heads["128"].conv.weight)
    z = torch.randn(3, CONFIG.latent_dim)
    network = copy.deepcopy(grown.generator).eval()
    network.crop, network.tanh = 0, nn.Identity()
    fine = network(z)
    nn.init.zeros_(network.heads["128"].conv.weight)
    added = fine - network(z)
    assert added.std() > 0.1
    assert F.avg_pool2d(added, 2).std() < 0.3 * added.std()
    assert (low(added, 0.3) < 0.03 * added.std()) == bool(lagrange_from)
    assert F.avg_pool2d(added, 16).abs().max() < 0.05 * added.std()


def test_a_finished_generator_makes_whole_films_each_by_itself(grown):
    step(grown, CONFIG, torch.rand(4, 1, 64, 64) * 2 - 1)
    network = finished_generator(grown, CONFIG)
    z = torch.randn(3, CONFIG.latent_dim)
    assert network(z).shape == (3, 1, 128, 128)
    assert torch.allclose(network(z)[1:2], network(z[1:2]), atol=1e-5)
    frozen = grown.generator.state_dict()["blocks.32.1.running_var"]
    assert torch.equal(network.state_dict()["blocks.32.1.running_var"], frozen), "standing statistics are those of the level below"


def test_the_discriminator_of_patches_keeps_the_rules_and_takes_films_and_crops():
    network = PatchDiscriminator(512, 1, 8)
    for kind in (network, PatchDiscriminator(512, 3, 8, detail=16.0)):
        assert all(check.passed for check in check_dcgan_rules(kind, "discriminator"))
    patches = network(torch.rand(3, 1, 64, 64), verdicts=True).whole
    assert patches.shape == (3, 64)
    assert network(torch.rand(3, 1, 128, 128)).shape == (3,)
    # 22 pixels: a change outside of what a patch sees leaves it alone
    film = torch.rand(1, 1, 64, 64)
    other = film.clone()
    other[..., 40:] += 1.0
    network.eval()
    same = (network(film, verdicts=True)[0] == network(other, verdicts=True)[0]).view(8, 8)
    assert same[:, :4].all()
    assert not same[:, 4:].any()


def test_crops_of_real_films_are_a_function_of_the_step_and_the_same_on_every_device(films):
    make = lambda part=(0, 1): MixedBatches(films, 128, 4, None, seed=3, part=part, crop=64)  # noqa: E731
    one, said = make().batch(5)
    assert one.shape == (4, 1, 64, 64)
    assert said == 1.0
    assert np.array_equal(one, make().batch(5)[0])
    assert not np.array_equal(one, make().batch(7)[0])
    halves = [make((i, 2)).batch(5)[0] for i in (0, 1)]
    assert np.array_equal(one, np.concatenate(halves))
    assert np.allclose(one, ResidentBatches(make(), CPU).batch(5)[0].numpy(), atol=1e-6)
    whole = films.level(128)[make().indices(5)[0]] / np.float32(127.5) - 1
    rows, columns = make().windows(5)[0]
    assert np.allclose(one[0], whole[:, rows, columns], atol=1e-6)


@pytest.mark.usefixtures("quick")
def test_a_run_on_crops_trains_stops_resumes_and_makes_films(films, tmp_path):
    config = dataclasses.replace(CONFIG, epochs=6)  # 4 steps a level
    whole = train(config, films.path, tmp_path / "whole", "cpu", progress=False)
    assert whole.run["status"] == "finished"
    stop = lambda row: (tmp_path / "run" / "stop").touch() if (row["level"], row["step"]) == (3, 2) else None  # noqa: E731
    assert train(config, films.path, tmp_path / "run", "cpu", progress=False, on_log=stop).run["status"] == "interrupted"
    resume(tmp_path / "run", device="cpu", progress=False)
    assert_same_run(tmp_path / "run", whole.path)
    source = load_generator(tmp_path / "run")
    assert source.generator(torch.randn(1, config.latent_dim)).shape == (1, 1, 128, 128)


@pytest.mark.usefixtures("quick")
def test_a_level_that_no_film_is_large_enough_for_only_enlarges(tmp_path):
    """It is said, written down and can be resumed; its films are those of the level below through the fixed map."""
    (tmp_path / "films").mkdir()
    for number, film in enumerate(Pyramid.build("phantom:normal:8", tmp_path / "phantoms", (64,), workers=1, progress=False).level(64)):
        Image.fromarray(film[0]).save(tmp_path / "films" / f"{number}.png")
    config = dataclasses.replace(CONFIG, epochs=6, lagrange_from=128)
    stop = lambda row: (tmp_path / "run" / "stop").touch() if (row["level"], row["step"]) == (2, 4) else None  # noqa: E731
    assert train(config, tmp_path / "films", tmp_path / "run", "cpu", progress=False, on_log=stop).run["status"] == "interrupted"
    run = resume(tmp_path / "run", device="cpu", progress=False)
    unbroken = load_generator(train(config, tmp_path / "films", tmp_path / "whole", "cpu", progress=False).path).generator.state_dict()
    assert all(torch.equal(unbroken[name], value) for name, value in load_generator(run.path).generator.state_dict().items())
    assert discriminator_of(SimpleNamespace(run=run, resolution=128)) is None, "it has learnt nothing, and cannot tell who was trained on"
    assert [level["steps"] for level in run.run["levels"].values()] == [6, 6, 0]
    assert (run.run["status"], {int(row["level"]) for row in run.history()}) == ("finished", {1, 2})
    assert run.run["warnings"] == ["none of 8 films is larger than 64 x 64: at 128 nothing is trained, and made films are only enlarged."]
    assert (run.run["forecast"]["level_steps"], run.run["forecast"]["step_seconds"][2]) == ([6, 6, 0], 0.0)
    assert ", 128: only enlarged" in describe_run(run.path)
    z = torch.randn(3, config.latent_dim)
    below, above = (load_generator(run.path, r).generator.eval() for r in (64, 128))
    below.tanh = above.tanh = nn.Identity()  # whose ends could not be told apart
    assert torch.allclose(above(z), lagrange(below(z)), atol=1e-5)


@pytest.mark.usefixtures("quick")
def test_crops_are_cut_out_of_films_that_are_large_enough(tmp_path, monkeypatch):
    """Films no larger than the level below have nothing to teach; those in between are shown enlarged, and it is said."""
    (tmp_path / "films").mkdir()
    for side, count in ((64, 3), (100, 2), (128, 5)):
        for number in range(count):
            write_film(tmp_path / "films" / f"{side}-{number}.png", side + number, side, side)
    shown = set()
    real = MixedBatches.indices
    monkeypatch.setattr(MixedBatches, "indices", lambda self, step: shown.update((self.resolution, i) for i in real(self, step)) or real(self, step))
    run = train(dataclasses.replace(CONFIG, epochs=12), tmp_path / "films", tmp_path / "run", "cpu", progress=False)
    sides = [film["side"] for film in Pyramid.open(run.run["data"]["pyramid"]).films]
    assert {sides[i] for resolution, i in shown if resolution == 128} == {100, 128}
    assert {sides[i] for resolution, i in shown if resolution == 64} == {64, 100, 128}
    assert run.run["warnings"] == [
        "some films are smaller than the level they are shown at: 128 (2 of 10 films); there they are only enlarged and hold no new detail.",
        "7 of 10 films are larger than 64 x 64: at 128 crops are cut out of these alone.",
    ]


@pytest.mark.usefixtures("quick")
def test_a_generator_is_enough_to_begin_on_crops(films, tmp_path):
    """The level above what it makes is the first, and what lies below makes the same films as before."""
    config = dataclasses.replace(CONFIG, epochs=6)
    shorter = dataclasses.replace(config, resolutions=(32, 64), feature_maps_g=8, feature_maps_d=8)
    below = train(shorter, films.path, tmp_path / "below", "cpu", progress=False)
    file = below.path / "generator-0064.safetensors"
    for number, source in enumerate((below.path, file)):
        above = train(config, films.path, tmp_path / str(number), "cpu", init=source, progress=False)
        assert list(above.run["levels"]) == ["128"]
        theirs, ours = (load_generator(path).generator.state_dict() for path in (file, above.path))
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_a_level_that_was_on_crops_is_not_gone_on_with_as_one_of_whole_films(grown, tmp_path):
    """Its head leaves out what is coarse; one that does not would add what no discriminator has seen."""
    RunFolder.create(tmp_path / "run", CONFIG).save_generator(finished_generator(grown, CONFIG))
    file = next((tmp_path / "run").glob("generator-*.safetensors"))
    higher = dataclasses.replace(CONFIG, resolutions=(32, 64, 128, 256), feature_maps_g=2, feature_maps_d=2)
    assert start_from(file, higher, CPU).level == 3
    with pytest.raises(InputError, match="crops_from is 128 there and 256 here"):
        start_from(file, dataclasses.replace(higher, crops_from=256), CPU)
    assert start_from(file, dataclasses.replace(higher, lagrange_from=256), CPU).level == 3
    with pytest.raises(InputError, match="lagrange_from is 0 there and 128 here"):  # what lies below would make other films
        start_from(file, dataclasses.replace(higher, lagrange_from=128), CPU)


def test_a_run_is_not_gone_on_with_where_other_levels_are_on_crops(tmp_path):
    """With a fine head all shapes agree, and what lies below would make other films."""
    config = dataclasses.replace(CONFIG, resolutions=(64, 128, 256), feature_maps_g=2, feature_maps_d=2, fine_head=True)
    save(start(config, CPU, 2), config, RunFolder.create(tmp_path / "run", config, data={"fingerprint": "0"}))
    assert start_from(tmp_path / "run", config, CPU).level == 2
    with pytest.raises(InputError, match="crops_from is 128 there and 256 here"):
        start_from(tmp_path / "run", dataclasses.replace(config, crops_from=256), CPU)


@pytest.mark.parametrize(
    ("source", "changes", "says"),
    [
        ("pretrained:normal", {"edges": "zeros"}, "its networks are others: edges is replicate there and zeros here"),
        ("pretrained:normal", {"grain": False}, "grain is True there and False here"),
        ("pretrained:normal", {"feature_maps_g": 16}, "feature maps are counted from the top resolution and are others there"),
        ("pretrained:normal", {"spline_from": 64}, "spline_from is 0 there and 64 here"),
        ("pretrained:normal", {"crops_from": 0}, "is a generator without a discriminator, and only a level on crops can go on from that"),
        ("made.safetensors", {"crops_from": 0}, "is a generator without a discriminator"),
        ("pretrained:norma", {}, "pretrained:norma is not in the package"),
    ],
)
def test_a_generator_that_does_not_fit_below_crops_is_refused(source, changes, says):
    with pytest.raises(InputError, match=says):
        start_from(source, dataclasses.replace(ABOVE_SHIPPED, **changes), CPU)


def test_long_with_other_levels_says_how_to_be_as_wide_and_begins_with_the_phantoms_players_then():
    shorter = preset("long", resolutions=(256, 512, 1024))
    says = begin(shorter, CPU)[1]
    assert "as wide as that is --set feature_maps_g=4 --set feature_maps_d=4)" in says
    assert begin(dataclasses.replace(shorter, feature_maps_g=4, feature_maps_d=4), CPU)[1].startswith("both players begin with")


def test_the_generators_of_the_package_can_be_gone_on_with():
    state = start_from("pretrained:normal", preset("long"), CPU)
    assert (state.level, state.discriminator.films["512"].detail) == (1, 16.0)
    assert [build_discriminator(preset("long"), level).films[r].detail for level, r in ((2, "1024"), (3, "2048"))] == [32.0, 64.0]
    state = start_from("pretrained:normal", ABOVE_SHIPPED, CPU)
    assert state.level == 1
    below = load_generator("pretrained:normal").generator
    state.generator.crop = 0
    state.generator.tanh = below.tanh = nn.Identity()  # whose ends could not be told apart
    z = torch.randn(1, 100)
    assert torch.allclose(state.generator.eval()(z), enlarge(below(z)), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"growth": "reset"}, "crops_from is 128 and growth is reset; crops need growth preserve"),
        ({"resolutions": (128, 256), "level_shares": ()}, "the first level is 128; add a level below, which is trained on films"),
        ({"resolutions": (16, 32, 128)}, "level 128 is on crops and the level below is 32; there each must be twice the one before: add 64"),
        ({"crop": 128}, "crop is 128; give a power of two from 64 to 64"),
        ({"crop": 65}, "crop is 65; give a power of two"),
        ({"crops_from": 64}, "the first level on crops is 64; it must be 128 or more"),
        ({"crop": 32}, "crop is 32; it must lie between 64 and"),
    ],
)
def test_what_cannot_be_cut_is_refused(changes, says):
    with pytest.raises(InputError, match=says):
        dataclasses.replace(CONFIG, **changes)


def test_levels_on_crops_take_less_memory_and_narrow_tops_leave_the_bottom_as_it_is():
    levels = (64, 128, 256, 512, 1024, 2048)
    films = preset("growing", resolutions=levels, feature_maps_g=2, feature_maps_d=2, min_feature_maps=8, precision="fp32")
    on_crops = dataclasses.replace(films, crops_from=512)
    assert plan_memory(on_crops, 1e13)[-1].memory < 0.2 * plan_memory(films, 1e13)[-1].memory
    # 16 maps at 1024 and 8 at 2048 for one whole film are there even where crops are few
    few = dataclasses.replace(on_crops, batch_size=(2,), min_feature_maps=16)
    assert plan_memory(few, 1e13)[-1].memory > 4 * (16 * 1024**2 + 8 * 2048**2)
    assert feature_maps(2048, 2, 128, 8) == {1024: 8, 512: 8, 256: 8, 128: 16, 64: 32, 32: 64, 16: 128, 8: 128, 4: 128}
    assert not any(isinstance(m, nn.Linear) for network in build(CONFIG, 2, 0) for m in network.modules())


# ---- what a discriminator is shown of what is fine ---------------------------------------------------------------------------


def test_the_first_layer_sees_the_film_and_what_is_new_in_it():
    layer = ConvOfFilm2d(1, 3, 7.0)
    film = torch.randn(2, 1, 16, 16)
    coarse = F.interpolate(F.avg_pool2d(film, 2), scale_factor=2, mode="bilinear", align_corners=False)
    expected = F.conv2d(film, layer.weight[:, :1], None, 2, 1) + 7.0 * F.conv2d(film - coarse, layer.weight[:, 1:], None, 2, 1)
    assert torch.allclose(layer(film), expected, atol=1e-4)
    plain = ConvOfFilm2d(1, 3)
    assert torch.allclose(plain(film), F.conv2d(film, plain.weight, None, 2, 1), atol=1e-5)


# ---- real and fake in one batch ----


def test_batch_norm_hides_how_strong_a_batch_is_and_one_batch_does_not():
    """Why `one_batch_from`: D's first layer has no shift, so a batch by itself is normalised to the same whatever its size."""
    network = PatchDiscriminator(512, 1, 8, detail=16.0)
    crops = torch.rand(6, 1, 64, 64) - 0.5
    alone = [network(crops, verdicts=True).whole, network(3 * crops, verdicts=True).whole]
    assert (alone[0] - alone[1]).abs().mean() < 0.02 * alone[0].std()
    both = network(torch.cat([crops, 3 * crops]), verdicts=True)
    assert (both.part(slice(6)).whole - both.part(slice(6, None)).whole).abs().mean() > 0.3 * alone[0].std()


def same_gradients(one, other):
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        assert a.grad is None or torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-3 * b.grad.abs().max().item()), name


@pytest.mark.parametrize("micro_batch", [0, 2])
def test_a_step_in_one_batch_has_the_gradients_of_one_batch(grown, micro_batch):
    config = dataclasses.replace(CONFIG, one_batch_from=128, micro_batch=micro_batch, precision="fp32")
    films = torch.rand(4, 1, 64, 64) * 2 - 1
    twin = copy.deepcopy(grown)
    step(grown, config, films)
    latents = torch.randn(4, config.latent_dim, generator=twin.rng)
    size = micro_batch or 4
    twin.discriminator.zero_grad()
    for real, z in zip(films.split(size), latents.split(size), strict=True):
        said = twin.discriminator(torch.cat([real, twin.generator(z).detach()]), verdicts=True).whole
        loss = F.softplus(-said[:size]).mean() + F.softplus(said[size:]).mean()
        (loss * size / 4).backward()
    same_gradients(grown.discriminator, twin.discriminator)
    twin.discriminator.load_state_dict(grown.discriminator.state_dict())
    twin.generator.zero_grad()
    for real, z in zip(films.split(size), latents.split(size), strict=True):
        said = twin.discriminator(torch.cat([real, twin.generator(z)]), verdicts=True).whole
        (F.softplus(-said[size:]).mean() * size / 4).backward()
    same_gradients(grown.generator, twin.generator)


def test_films_that_are_not_crops_are_judged_each_kind_by_itself():
    config, films = dataclasses.replace(CONFIG, one_batch_from=128), torch.rand(4, 1, 64, 64) * 2 - 1
    states = [start(CONFIG, CPU, 1) for _ in range(2)]
    for state, chosen in zip(states, (config, CONFIG), strict=True):
        step(state, chosen, films)
    assert all(map(torch.equal, states[0].discriminator.parameters(), states[1].discriminator.parameters()))
