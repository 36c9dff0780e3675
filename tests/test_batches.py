"""Batches are a function of the step, hold the right films at the right sharpness, and lie in [-1, 1]."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from idcgan.batches import MixedBatches, ResidentBatches, upsample
from idcgan.errors import InputError
from idcgan.loader import Loader, lies_there
from idcgan.pyramid import Pyramid


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory):
    """18 films whose mean grey level tells them apart, at 16, 32 and 128."""
    folder = tmp_path_factory.mktemp("films")
    rng = np.random.default_rng(0)
    for i in range(18):
        values = np.clip(12 * i + 20 + rng.normal(0, 15, (128, 128)), 0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / f"{i:02}.png")
    return Pyramid.build(folder, folder.parent / "pyramid", (16, 32, 128), workers=1, progress=False)


def tanh_range(values):
    return values.astype(np.float32) / np.float32(127.5) - 1


def softened(pyramid, film: int, previous: int, resolution: int) -> np.ndarray:
    """Bilinear up-sampling by the formula, in float64: independent of the code under test."""
    small = tanh_range(pyramid.level(previous)[film, 0]).astype(np.float64)
    where = (np.arange(resolution) + 0.5) * previous / resolution - 0.5
    low = np.floor(where).astype(int)
    weight = where - low
    a, b = np.clip(low, 0, previous - 1), np.clip(low + 1, 0, previous - 1)
    rows = small[a] * (1 - weight)[:, None] + small[b] * weight[:, None]
    return rows[:, a] * (1 - weight) + rows[:, b] * weight


@pytest.mark.parametrize(("resolution", "previous"), [(16, None), (32, 16), (128, 32), (128, 16)])
@pytest.mark.parametrize("transition", ["replace", "fade", "jump"])
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_films_and_their_twins(pyramid, resolution, previous, transition, share):
    batches = MixedBatches(pyramid, resolution, 8, previous, transition, seed=3)
    batch, replaced = batches.batch(1, share)
    assert batch.shape == (8, 1, resolution, resolution)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert batch.min() >= -1
    assert batch.max() <= 1
    if transition == "jump" or previous is None:
        share = 1.0
    assert replaced == share
    for i, film in enumerate(batches.indices(1)):
        sharp = tanh_range(pyramid.level(resolution)[film, 0])
        if share == 1 or (transition == "replace" and i < share * 8):
            np.testing.assert_allclose(batch[i, 0], sharp, atol=1e-6)
            continue
        soft = softened(pyramid, film, previous, resolution)
        expected = soft if transition == "replace" else share * sharp + (1 - share) * soft
        np.testing.assert_allclose(batch[i, 0], expected, atol=1e-5)


@pytest.mark.parametrize(("share", "twins"), [(0, 0), (0.0624, 0), (0.0625, 1), (0.3, 2), (0.3125, 3), (0.99, 8), (1, 8)])
def test_share_is_rounded_half_up(pyramid, share, twins):
    assert MixedBatches(pyramid, 32, 8, 16).batch(0, share)[1] == twins / 8


def test_an_epoch_shows_no_film_twice_and_drops_the_rest(pyramid):
    batches = MixedBatches(pyramid, 16, 8, None)
    assert batches.steps_per_epoch == 2  # 18 // 8
    for epoch in range(5):
        shown = np.concatenate([batches.indices(2 * epoch + k) for k in range(2)])
        assert len(shown) == 16
        assert len(set(shown)) == 16
    seen = {int(i) for step in range(40) for i in batches.indices(step)}
    assert seen == set(range(18))  # what is dropped changes from epoch to epoch


def test_a_step_is_the_same_in_any_order_and_process(pyramid):
    forward = MixedBatches(pyramid, 32, 4, 16, seed=5)
    batches = [forward.batch(step, 0.5)[0] for step in range(9)]
    resumed = MixedBatches(Pyramid.open(pyramid.path), 32, 4, 16, seed=5)
    for step in reversed(range(9)):
        np.testing.assert_array_equal(resumed.batch(step, 0.5)[0], batches[step])


def test_order_depends_on_seed_level_and_epoch(pyramid):
    orders = {
        tuple(MixedBatches(pyramid, resolution, 16, None, seed=seed).indices(step)) for resolution in (16, 32) for seed in (0, 1) for step in (0, 1)
    }
    assert len(orders) == 8


def test_batches_do_not_share_memory_with_the_pyramid(pyramid):
    batches = MixedBatches(pyramid, 16, 8, None)
    batch, _ = batches.batch(0)
    batch[:] = 0
    assert batches.batch(0)[0].any()


def test_three_channels(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(rng.integers(0, 256, (32, 32), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    colour = Pyramid.build(tmp_path, tmp_path / "p", (16, 32), channels=3, workers=1, progress=False)
    for transition in ("replace", "fade"):
        batch, _ = MixedBatches(colour, 32, 4, 16, transition).batch(0, 0.5)
        assert batch.shape == (4, 3, 32, 32)
        np.testing.assert_array_equal(batch[:, 0], batch[:, 2])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 64, 65, 150]), st.sampled_from([2, 4, 8, 16, 32]))
def test_upsample_keeps_range_and_constants(seed, side, factor):
    """Blocks of 64 rows, edges and both integer widths: black and white stay exactly -1 and 1."""
    side = min(side, 1024 // factor)
    film = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    out = np.full((side * factor, side * factor), np.nan, np.float32)
    upsample(film, out)
    assert np.isfinite(out).all()
    assert abs(out.mean() - tanh_range(film).mean()) < 0.15  # an edge pixel counts a little more, no more than that
    assert out.max() <= tanh_range(film).max() + 1e-6
    assert out.min() >= tanh_range(film).min() - 1e-6
    for value in (0, 255):
        upsample(np.full_like(film, value), out)
        np.testing.assert_allclose(out, value / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((32, 1, 16), "batch_size is 1: set it from 2 to 18"),
        ((32, 19, 16), "batch_size is 19"),
        ((64, 8, 16), "no level 64"),
        ((32, 8, 64), "previous is 64"),
        ((128, 8, 64), "no level 64"),
        ((32, 8, 16, "morph"), "transition is 'morph'"),
        ((32, 8, 16, "fade", -1), "seed is -1"),
    ],
)
def test_wrong_settings_are_named(pyramid, arguments, said):
    with pytest.raises(InputError, match=said):
        MixedBatches(pyramid, *arguments)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_share_outside_its_range(pyramid, share):
    with pytest.raises(InputError, match="share is"):
        MixedBatches(pyramid, 32, 8, 16).batch(0, share)


@pytest.mark.parametrize("transition", ["replace", "fade", "jump"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_films_that_lie_on_the_device_make_the_same_batches(pyramid, transition, share):
    """On a GPU whole levels lie on the device; here the device is the processor."""
    batches = MixedBatches(pyramid, 32, 4, 16, transition, seed=5)
    resident = ResidentBatches(batches, torch.device("cpu"))
    assert ResidentBatches.size(batches) == len(pyramid) * (32 * 32 + (0 if transition == "jump" else 16 * 16))
    for step in (0, 3):
        films, said = batches.batch(step, share)
        tensor, also_said = resident.batch(step, share)
        assert also_said == said
        assert tensor.shape == films.shape
        assert np.abs(tensor.numpy() - films).max() < 1e-6


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_parts_of_a_batch_are_the_batch(pyramid, share):
    """What two processes prepare is what one would."""
    whole, said = MixedBatches(pyramid, 32, 4, 16, seed=1).batch(2, share)
    parts = [MixedBatches(pyramid, 32, 4, 16, seed=1, part=(i, 2)).batch(2, share) for i in (0, 1)]
    assert np.array_equal(np.concatenate([films for films, _ in parts]), whole)
    assert {part_said for _, part_said in parts} == {said}


def test_a_loader_takes_films_from_the_device_where_they_fit_there(pyramid, monkeypatch):
    cpu, batches = torch.device("cpu"), MixedBatches(pyramid, 32, 4, 16, seed=2)
    assert not lies_there(batches, cpu)  # the page cache holds them already
    monkeypatch.setattr("idcgan.loader.memory_free", lambda device: 4 * ResidentBatches.size(batches) + 4)
    assert lies_there(batches, torch.device("mps"))
    monkeypatch.setattr("idcgan.loader.memory_free", lambda device: 4 * ResidentBatches.size(batches))
    assert not lies_there(batches, torch.device("mps"))
    with Loader(batches, lambda at: at / 8, 3, 2, cpu) as threads:
        from_threads = [next(threads) for _ in range(4)]
    monkeypatch.setattr("idcgan.loader.lies_there", lambda *_: True)
    with Loader(batches, lambda at: at / 8, 3, 2, cpu) as resident:
        from_device = [next(resident) for _ in range(4)]
    for (a, said), (b, also) in zip(from_threads, from_device, strict=True):
        assert said == also
        assert (a - b).abs().max() < 1e-6
