"""Each measure against another implementation of it, against a hand-calculated case, or against a truth that needs no calculation."""

import numpy as np
import pytest
import torch
from conftest import REAL
from scipy.signal import fftconvolve
from scipy.stats import wasserstein_distance
from torch import nn

from idcgan.description import PATCH, PATCHES, Description, describe, film_patches, scales, stack
from idcgan.features import load_features
from idcgan.filmset import collect, real_items
from idcgan.measures import MEASURES, checkerboard, fid, grey_levels, kid, ms_ssim, spectrum, swd_scales, vendi
from idcgan.pool import DIRECTIONS, Pool, ms_ssim_of_pairs
from idcgan.significance import Measure, interval, p_value

BY_KEY = {m.key: m for m in MEASURES}


class Given(nn.Module):
    """A "feature network" that passes on features that are there already."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.num_features = dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def described(features: np.ndarray, rng: np.random.Generator, side: int = 32) -> Description:
    """Films of which only the features matter."""
    n = len(features)
    films = rng.integers(0, 256, (n, side, side), np.uint8)
    patches = np.stack([film_patches(f / np.float32(127.5) - 1, rng) for f in films])
    spectrum, lattice, histogram = rng.normal(size=(n, side // 2)), rng.normal(size=(n, 3)), rng.dirichlet(np.ones(256), n)
    texture = (part.astype(np.float32) for part in (spectrum, lattice, histogram))
    return Description(features.astype(np.float32), patches, *texture, films[:, :32, :32], films, np.full(n, side))


def pooled(n: int, m: int, dim: int, shift: float = 0.0, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    return Pool(described(rng.normal(size=(n, dim)) + shift, rng), described(rng.normal(size=(m, dim)) @ np.diag(np.linspace(0.5, 2, dim)), rng))


def both(measure, pool: Pool) -> float:
    return measure(pool, pool.candidate_at, pool.reference_at)


@pytest.fixture(scope="module")
def real_pool() -> Pool:
    """60 of the real training films against 60 held-out ones, at 256."""
    if not REAL.is_dir():
        pytest.skip("the real films are not here (shared/data/nih-chest beside the repository)")
    network = load_features()
    sets = [collect(part, real_items(REAL / part / "normal", None, 256)[:60], network, progress=False) for part in ("train", "val")]
    return Pool(sets[0].films, sets[1].films)


POOLS = [
    pytest.param(lambda: pooled(60, 60, 40), id="fewer dimensions than films"),
    pytest.param(lambda: pooled(30, 30, 90, 0.3), id="more dimensions"),
]


# ---- against other implementations ------------------------------------------------------------------------------------


def torchmetrics_kid(pool: Pool) -> float:
    from torchmetrics.image.kid import KernelInceptionDistance

    metric = KernelInceptionDistance(feature=Given(pool.features.shape[1]), subsets=1, subset_size=pool.counts[0])
    return 1000 * updated(metric, pool).compute()[0].item()


def updated(metric, pool: Pool):
    metric = metric.set_dtype(torch.float64)
    metric.update(torch.from_numpy(pool.features[pool.reference_at]), real=True)
    metric.update(torch.from_numpy(pool.features[pool.candidate_at]), real=False)
    return metric


def torchmetrics_fid(pool: Pool) -> float:
    from torchmetrics.image.fid import FrechetInceptionDistance

    return updated(FrechetInceptionDistance(feature=Given(pool.features.shape[1])), pool).compute().item()


def check_against_torchmetrics(pool: Pool) -> None:
    assert both(kid, pool) == pytest.approx(torchmetrics_kid(pool), rel=1e-6, abs=1e-6)
    assert both(fid, pool) == pytest.approx(torchmetrics_fid(pool), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("make", POOLS)
def test_kid_and_fid_agree_with_torchmetrics(make):
    check_against_torchmetrics(make())


def test_kid_and_fid_agree_with_torchmetrics_on_real_films(real_pool):
    check_against_torchmetrics(real_pool)


def test_fid_agrees_with_a_matrix_root():
    """By the formula as it is printed (Heusel et al. 2017), with scipy's root of a matrix."""
    from scipy.linalg import sqrtm

    pool = pooled(50, 70, 20, 0.5)
    a, b = pool.features[pool.candidate_at], pool.features[pool.reference_at]
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(one + two - 2 * sqrtm(one @ two).real)
    assert both(fid, pool) == pytest.approx(expected, rel=1e-6)


def test_kid_of_unequal_sets_is_the_mean_over_pairs():
    """Film by film, as the definition has it."""
    pool = pooled(7, 11, 5, 0.4)
    a, b = pool.features[pool.candidate_at], pool.features[pool.reference_at]

    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within = [np.mean([k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (a, b)]
    between = np.mean([k(x, y) for x in a for y in b])
    assert both(kid, pool) == pytest.approx(1000 * (sum(within) - 2 * between), rel=1e-9)


@pytest.mark.parametrize("make", POOLS)
def test_precision_recall_density_and_coverage_agree_with_prdc(make, capsys):
    from prdc import compute_prdc

    pool = make()
    expected = compute_prdc(pool.features[pool.reference_at], pool.features[pool.candidate_at], nearest_k=5)
    assert expected.keys() == {"precision", "recall", "density", "coverage"}
    for key, value in expected.items():
        assert both(BY_KEY[key].value, pool) == pytest.approx(value, abs=1e-12), key


def ms_ssim_as_published(one: np.ndarray, other: np.ndarray) -> float:
    """Wang, Simoncelli and Bovik 2003, equation 7, with scipy: Gaussian of 1.5 pixels cut at 11, windows inside the picture."""
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    row = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(row, row) / row.sum() ** 2
    x, y, value = one / 255, other / 255, 1.0

    def mean(picture: np.ndarray) -> np.ndarray:
        return fftconvolve(picture, window, "valid")

    for scale, weight in enumerate(weights):
        mx, my = mean(x), mean(y)
        vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
        structure = (2 * vxy + 0.03**2) / (vx + vy + 0.03**2)
        light = (2 * mx * my + 0.01**2) / (mx * mx + my * my + 0.01**2)
        value *= max(0.0, (structure * light if scale == 4 else structure).mean()) ** weight
        x, y = (p.reshape(len(p) // 2, 2, -1, 2).mean((1, 3)) if scale < 4 else p for p in (x, y))
    return value


def check_ms_ssim(films: np.ndarray) -> None:
    first, second = films[::2], films[1::2]
    expected = [ms_ssim_as_published(a, b) for a, b in zip(first, second, strict=True)]
    assert min(expected) > 0
    np.testing.assert_allclose(ms_ssim_of_pairs(first, second), expected, atol=1e-6)


def test_ms_ssim_agrees_with_the_published_formula():
    rng = np.random.default_rng(0)
    base = np.kron(rng.integers(40, 200, (4, 11, 11)), np.ones((16, 16)))
    noisy = np.stack([base, base]) + rng.normal(0, 20, (2, *base.shape))
    check_ms_ssim(np.clip(noisy.transpose(1, 0, 2, 3).reshape(8, 176, 176), 0, 255).astype(np.uint8))


def test_ms_ssim_agrees_with_the_published_formula_on_real_films(real_pool):
    check_ms_ssim(real_pool.films.pair[:16])


# ---- against an exact calculation --------------------------------------------------------------------------------------


def test_the_sliced_distance_is_the_area_between_the_distributions():
    """Against scipy's exact distance on the same projections."""
    pool = pooled(12, 15, 3, seed=2)
    sets = [pool.films.patches[at].astype(np.float32) for at in (pool.candidate_at, pool.reference_at)]
    for level, found in enumerate(swd_scales(pool, pool.candidate_at, pool.reference_at)):
        directions = np.random.default_rng(level).standard_normal((49, DIRECTIONS)).astype(np.float32)
        directions /= np.linalg.norm(directions, axis=0)
        a, b = ((s[:, level].reshape(-1, 49) - sets[1][:, level].mean()) / sets[1][:, level].std() @ directions for s in sets)
        exact = 1000 * np.mean([wasserstein_distance(a[:, i], b[:, i]) for i in range(DIRECTIONS)])
        assert found == pytest.approx(exact, rel=0.03)


def test_grey_levels_agree_with_scipy():
    pool = pooled(9, 14, 3, seed=3)
    shares = [pool.films.histogram[at].mean(0) for at in (pool.candidate_at, pool.reference_at)]
    exact = wasserstein_distance(np.arange(256), np.arange(256), *shares)
    assert both(grey_levels, pool) == pytest.approx(exact, rel=1e-5)


def test_vendi_counts_films_that_share_nothing():
    """Films in k tight groups, far apart, are worth k films."""
    rng = np.random.default_rng(0)
    groups = 1000 * np.eye(6)[np.arange(30) % 6]
    one, other = described(groups + rng.normal(0, 1e-3, groups.shape), rng), described(groups, rng)
    pool = Pool(one, other)
    pool.__dict__["likeness"] = (pool.distances < 1).astype(float)  # groups share all or nothing
    assert both(vendi, pool) == pytest.approx(6, abs=1e-6)


def test_ms_ssim_of_one_film_again_and_again_is_one():
    film = np.kron(np.random.default_rng(0).integers(0, 256, (11, 11)), np.ones((16, 16))).astype(np.uint8)
    rng = np.random.default_rng(1)
    same = Description(**{**vars(described(rng.normal(size=(4, 3)), rng)), "pair": np.stack([film] * 4)})
    pool = Pool(same, same)
    assert ms_ssim(pool, pool.candidate_at, pool.reference_at) == pytest.approx(1.0, abs=1e-5)


# ---- the description of a film -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return load_features()


def test_a_description_depends_on_the_film_alone(network):
    film = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    one, two = describe(film, network, 5), describe(film.copy(), network, 5)
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(two, name), err_msg=name)


@pytest.mark.parametrize("resolution", [32, 64, 128, 512])
def test_a_description_takes_as_little_room_as_it_says(network, resolution):
    found = describe(np.random.default_rng(0).integers(0, 256, (resolution, resolution), np.uint8), network, 0)
    assert found.patches.shape == (len(scales(resolution)), 64, 49)
    assert found.spectrum.shape == (resolution // 2,)
    assert sum(np.asarray(v).nbytes for v in vars(found).values()) < 130_000
    assert all(np.isfinite(v).all() for v in vars(found).values())


def test_the_laplacian_pyramid_adds_up_to_the_film():
    """A patch of the finest scale plus the same patch of the enlarged half is the film: nothing is lost between scales."""
    from idcgan.description import _doubled, _halved

    film = np.random.default_rng(0).uniform(-1, 1, (64, 64)).astype(np.float32)
    at = np.random.default_rng(1).integers(0, 64 - PATCH + 1, (PATCHES, 2))  # as the patches of the finest scale are placed
    for (row, column), patch in zip(at, film_patches(film, np.random.default_rng(1))[0], strict=True):
        here = slice(row, row + PATCH), slice(column, column + PATCH)
        np.testing.assert_allclose(patch.reshape(PATCH, PATCH) + _doubled(_halved(film))[here], film[here], atol=2e-3)  # patches are kept in 16 bits
    flat = np.full((32, 32), 0.3, np.float32)
    np.testing.assert_allclose(_doubled(_halved(flat)), flat, atol=1e-6)
    slope = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    np.testing.assert_allclose(_doubled(_halved(slope))[:, 2:-2], slope[:, 2:-2], atol=1e-5)  # bilinear keeps a slope


def test_a_wave_shows_at_its_frequency_and_nowhere_else(network):
    across = np.arange(128) / 128
    wave = np.rint(127.5 + 60 * np.sin(2 * np.pi * 20 * across)[None] * np.ones((128, 1))).astype(np.uint8)
    power = describe(wave, network, 0).spectrum
    assert int(power.argmax()) + 1 == 20
    assert power[40:].max() < power[19] - 40


@pytest.mark.parametrize(("period", "place"), [(2, 0), (4, 1), (8, 2)])
def test_a_grid_stands_out_at_its_period(network, period, place):
    rng = np.random.default_rng(0)
    film = rng.normal(128, 20, (256, 256))
    rows, columns = np.indices(film.shape) // (period // 2) % 2
    plain, gridded = (describe(np.clip(f, 0, 255).astype(np.uint8), network, 0).lattice for f in (film, film + np.where(rows == columns, 6, -6)))
    rise = gridded - plain
    assert rise[place] > 5
    assert np.abs(np.delete(rise, place)).max() < 5 if period != 8 else rise[place] == rise.max()


def test_grids_that_are_not_looked_for_count_for_nothing(network):
    """In films of 64 one of eight pixels: where made films have less of the others than real ones, so says the figure."""
    rng = np.random.default_rng(0)
    plain = [rng.normal(128, 20, (64, 64)) for _ in range(4)]
    rows, columns = np.indices((64, 64))
    grids = np.where((rows + columns) % 2 == 0, 10, -10) + np.where((rows // 2 + columns // 2) % 2 == 0, 10, -10)
    made, real = (stack([describe((film + more).clip(0, 255).astype(np.uint8), network, 0) for film in plain]) for more in (0, grids))
    assert both(checkerboard, Pool(made, real)) < -3
    assert both(checkerboard, Pool(real, made)) > 3


def test_the_spectrum_difference_of_a_scaled_film_is_its_scale_in_decibel(network):
    film = np.random.default_rng(0).normal(128, 15, (64, 64))
    films = [np.rint(128 + s * (film - 128)).clip(0, 255).astype(np.uint8) for s in (1.0, 2.0)]
    sets = [stack([describe(f, network, 0)] * 2) for f in films]
    assert both(spectrum, Pool(*sets)) == pytest.approx(20 * np.log10(2), abs=0.2)


# ---- tests and intervals -----------------------------------------------------------------------------------------------


QUICK = [m for m in MEASURES if m.key not in ("ms_ssim", "fid_infinity")]


@pytest.mark.parametrize("measure", QUICK, ids=lambda m: m.key)
def test_a_set_cannot_be_told_from_itself(measure):
    rng = np.random.default_rng(4)
    one = described(rng.normal(size=(20, 10)), rng)
    assert p_value(measure, Pool(one, one), 39, 0) > 0.3  # about a half of all divisions lie farther apart


def test_p_values_of_like_sets_are_spread_evenly():
    """KID of sets of the same kind: as many p below a half as above, and a tenth below a tenth."""
    p = [p_value(BY_KEY["kid"], _alike(seed), 39, seed) for seed in range(80)]
    assert 0.33 < np.mean(np.array(p) <= 0.5) < 0.67  # binomial, 80 draws: outside in 2 of 1,000
    assert np.mean(np.array(p) <= 0.1) < 0.22


def test_pairs_are_shuffled_among_those_that_are_compared():
    """MS-SSIM looks at 20 films of each set; 20 of each are on either side of every shuffle, whatever else the sets hold."""
    seen = []

    def among(pool, a, b):
        seen.append((len(np.intersect1d(a, pool.paired)), len(np.intersect1d(b, pool.paired)), tuple(a)))
        return 0.0

    rng = np.random.default_rng(0)
    pool = Pool(*(described(rng.normal(size=(count, 8)), rng) for count in (90, 30)))
    p_value(Measure("ms_ssim", "", "", "high", "", "", among), pool, 30, 0)
    assert {counts[:2] for counts in seen[1:]} == {(20, 20)}
    assert len({counts[2] for counts in seen[1:]}) == 30


def _alike(seed: int) -> Pool:
    rng = np.random.default_rng(seed)
    return Pool(*(described(rng.normal(size=(20, 8)), rng) for _ in range(2)))


def test_unlike_sets_are_told_apart():
    assert p_value(BY_KEY["kid"], pooled(30, 30, 10, shift=1.5), 99, 0) == pytest.approx(0.01)


@pytest.mark.parametrize("measure", QUICK, ids=lambda m: m.key)
def test_an_interval_holds_its_value(measure):
    pool = pooled(40, 40, 10, shift=0.6)
    low, high = interval(measure, pool, 30, 0)
    assert low <= both(measure.value, pool) <= high
    assert measure.lowest <= low < high <= measure.highest


def test_the_interval_of_kid_holds_the_truth_about_as_often_as_it_says():
    """The truth from 4,000 films, intervals from 40: 95 % is asked for, of 60 draws 50 or more hold it (p < 0.001 for less at 95 %)."""
    truth = both(kid, pooled(2000, 2000, 6, shift=0.8, seed=99))
    held = 0
    for seed in range(60):
        low, high = interval(BY_KEY["kid"], pooled(40, 40, 6, shift=0.8, seed=seed), 20, seed)
        held += low <= truth <= high
    assert held >= 50, held
