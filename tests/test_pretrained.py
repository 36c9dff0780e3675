"""What comes with the package: generators, at half precision, named on the command line, each with a card; and players that have seen phantoms."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors import safe_open

from idcgan import pretrained
from idcgan.config import preset
from idcgan.errors import InputError
from idcgan.origin import begin
from idcgan.sampling import load_generator, picture
from idcgan.state import start
from idcgan.training import resume, train

CPU = torch.device("cpu")
ON_PHANTOMS = preset("tiny", resolutions=(32,), epochs=2)
FROM_PHANTOMS = dataclasses.replace(ON_PHANTOMS, resolutions=(32, 64), feature_maps_g=2, feature_maps_d=2, from_phantoms=True, seed=9)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "WEIGHTS", tmp_path / "weights")
    return tmp_path / "weights"


def test_a_shipped_generator_makes_the_films_of_its_run(finished_run, weights):
    path = pretrained.ship(finished_run, "tiny")
    assert path == weights / "tiny.safetensors"
    run, shipped = load_generator(finished_run), load_generator("pretrained:tiny")
    assert path.stat().st_size < 0.7 * run.path.stat().st_size
    for index in range(3):
        apart = picture(run, 0, index).astype(int) - picture(shipped, 0, index)
        assert abs(apart).max() <= 1
    assert picture(shipped, 0, 0).std() > 5, "a grey film would pass too"
    assert shipped.facts["run"] == "tiny"


def test_a_name_that_is_not_there_is_refused_in_a_sentence(finished_run, weights, terminal, tmp_path):
    pretrained.ship(finished_run, "tiny")
    with pytest.raises(InputError, match="pretrained:other is not in the package; choose from pretrained:tiny"):
        load_generator("pretrained:other")
    said = terminal("sample", "pretrained:other", "--out", tmp_path / "films")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert not (tmp_path / "films").exists()


@pytest.mark.parametrize("name", ["normal", "abnormal"])
def test_what_the_package_ships(name, terminal, tmp_path):
    said = terminal("sample", f"pretrained:{name}", "-n", 2, "--out", tmp_path / "films", "--quiet")
    assert said.code == 0, said.err
    source = load_generator(f"pretrained:{name}")
    assert source.resolution >= 256
    films = np.stack([picture(source, 0, i) for i in range(4)]).astype(float)
    assert films.std((1, 2, 3)).min() > 20, "a film without contrast"
    assert abs(films[0] - films[1]).mean() > 5, "films that are all the same"
    side = source.resolution
    middle, left = (films[:, 0, side // 4 : side // 2, a * side // 16 : b * side // 16].mean((1, 2)) for a, b in ((7, 9), (4, 6)))
    assert (middle > left).all(), "a spine is brighter than the lung beside it"
    with safe_open(str(source.path), "pt") as file:
        assert {str(file.get_tensor(key).dtype) for key in file.keys()} <= {"torch.float16", "torch.int64"}  # noqa: SIM118
    card = source.path.with_suffix(".md").read_text(encoding="utf-8").lower()
    for part in ("nih clinical center", "terms", "recipe", "seed", "floor", "copies", "limits", "not for diagnosis"):
        assert part in card, part


def test_all_of_them_are_small():
    assert sum(path.stat().st_size for path in pretrained.WEIGHTS.rglob("*.safetensors")) < 12_000_000


# ---- players that have seen phantoms ------------------------------------------------------------------------------------------


@pytest.fixture
def players_of(weights, tmp_path, quick):
    """A run on phantoms whose players are in the package."""
    run = train(ON_PHANTOMS, "phantom:normal:8", tmp_path / "phantoms", "cpu", progress=False).path
    assert pretrained.ship_players(run, "players/phantom-32") == weights / "players" / "phantom-32.safetensors"
    return run


def test_both_players_begin_with_what_they_learnt_from_phantoms(players_of):
    """Also where there are more levels above: maps are counted from the top, and the networks are the same."""
    state, said = begin(FROM_PHANTOMS, CPU)
    assert said == "both players begin with what they learnt from phantoms at 32 x 32."
    learnt = torch.load(players_of / "checkpoint.pt", weights_only=True)
    for network, part in ((state.generator, "average"), (state.average, "average"), (state.discriminator, "discriminator")):
        for name, value in network.state_dict().items():
            assert torch.allclose(value.float(), learnt[part][name].float(), atol=1e-6, rtol=1e-3), name
    anew, nothing = begin(dataclasses.replace(FROM_PHANTOMS, from_phantoms=False), CPU)
    assert nothing == ""
    assert all(torch.equal(a, b) for a, b in zip(anew.generator.parameters(), start(FROM_PHANTOMS, CPU).generator.parameters(), strict=True))
    assert not torch.equal(anew.discriminator.last.weight, state.discriminator.last.weight)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"resolutions": (16, 32)}, "the package has none at 16 x 16"),
        ({"feature_maps_d": 4}, "those of the package at 32 x 32 are other networks"),
        ({"edges": "replicate"}, "those of the package at 32 x 32 are other networks"),
    ],
)
def test_where_the_networks_are_others_a_run_begins_anew_and_says_so(players_of, change, why):
    config = dataclasses.replace(FROM_PHANTOMS, **change)
    state, said = begin(config, CPU)
    assert said == f"from_phantoms: {why}, so this run begins anew."
    assert all(torch.equal(a, b) for a, b in zip(state.generator.parameters(), start(config, CPU).generator.parameters(), strict=True))


def test_a_run_from_phantoms_keeps_where_it_began_and_ends_the_same_after_a_break(players_of, pyramid_path, tmp_path, capsys):
    whole = train(FROM_PHANTOMS, pyramid_path, tmp_path / "whole", "cpu")
    assert "both players begin with what they learnt from phantoms at 32 x 32." in capsys.readouterr().err
    assert whole.run["origin"] == begin(FROM_PHANTOMS, CPU)[1]

    def stop(row):
        (tmp_path / "broken" / "stop").touch()

    broken = train(FROM_PHANTOMS, pyramid_path, tmp_path / "broken", "cpu", progress=False, on_log=stop)
    assert broken.run["status"] == "interrupted"
    resume(tmp_path / "broken", progress=False)
    ends = [torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["generator"] for name in ("whole", "broken")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_players_that_may_have_seen_a_patient_are_not_put_into_the_package(players_of, finished_run, weights, pyramid_path, tmp_path):
    on_films = train(ON_PHANTOMS, pyramid_path, tmp_path / "films", "cpu", progress=False).path  # a pyramid, which does not say of what
    after = train(ON_PHANTOMS, "phantom:normal:8", tmp_path / "after", "cpu", init=on_films, progress=False).path
    for run in (on_films, after, finished_run):
        with pytest.raises(InputError, match="is not a run of one level on phantoms alone"):
            pretrained.ship_players(run, "players/phantom-16")
    assert [path.name for path in (weights / "players").iterdir()] == ["phantom-32.safetensors"]


@pytest.mark.parametrize(("name", "resolution"), [("quick", 128), ("recommended", 256), ("long", 256)])
def test_the_presets_find_their_players(name, resolution, tmp_path):
    config = preset(name)
    state, said = begin(config, CPU)
    assert said == f"both players begin with what they learnt from phantoms at {resolution} x {resolution}."
    with torch.no_grad():
        films = state.average.eval()(torch.randn(6, config.latent_dim, generator=torch.Generator().manual_seed(0)))
        d_fake, d_noise = (state.discriminator.eval()(x).mean().item() for x in (films, torch.rand_like(films) * 2 - 1))
    sides, lungs = films[:, 0, 100 * resolution // 256, ::4], films[:, 0, resolution // 4 : resolution // 2]
    assert films.std((1, 2, 3)).min() > 0.2, "a film without contrast"
    assert sides.std(1).min() > 0.1
    assert (films[0] - films[1]).abs().mean() > 0.02, "films that are all the same"
    middle, left = (lungs[:, :, a * resolution // 16 : b * resolution // 16].mean((1, 2)) for a, b in ((7, 9), (4, 6)))
    assert (middle > left).all(), "a spine is brighter than the lung beside it"
    assert d_fake > d_noise, "a discriminator that has seen films tells them from noise"


def test_the_players_of_the_package_have_seen_phantoms_only_and_their_card_says_so():
    files = sorted((pretrained.WEIGHTS / "players").glob("*.safetensors"))
    assert [path.stem for path in files] == ["phantom-128", "phantom-256"]
    for path in files:
        with safe_open(str(path), "pt") as file:
            assert file.metadata()["films"].startswith("phantom:normal:")
            assert {str(file.get_tensor(key).dtype) for key in file.keys()} <= {"torch.float16", "torch.int64"}  # noqa: SIM118
    card = (pretrained.WEIGHTS / "players" / "phantom.md").read_text(encoding="utf-8").lower()
    for part in ("no film of a patient", "recipe", "seed", "limits", "not for diagnosis"):
        assert part in card, part
