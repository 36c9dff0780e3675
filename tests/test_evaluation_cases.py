"""Phantom films changed on purpose, where the truth is known: the right measure moves, and the others do not.

100 films against 100 held-out ones of the same kind, 100 more as training films. What "moves" is told apart by the measure's own
test (p <= 0.05), what "stays" is not; a measure in neither list may do either, because it sees the change by its nature (KID, FID and
their kind see every change of a distribution). IDCGAN_TABLES=FOLDER keeps the table of all p values as evaluation-cases.md.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from idcgan import copies as copies_module
from idcgan import pool as pool_module
from idcgan.copies import copies_p, distance_tables, membership_by_distance, nearest
from idcgan.description import joined
from idcgan.distortions import DISTORTIONS, HonestFilms
from idcgan.features import load_features
from idcgan.filmset import FilmSet, Item, collect
from idcgan.measures import MEASURES
from idcgan.memorising import search_for_copies
from idcgan.pool import Pool
from idcgan.settings import LEVEL, Settings
from idcgan.significance import p_value

RESOLUTION, COUNT, DRAWS = 128, 100, 99
ALL = [m.key for m in MEASURES] + ["copies", "membership", "mifid"]
TEXTURE = ["swd", "spectrum", "checkerboard", "grey_levels"]
COPIES = ["copies", "membership"]

CASES = {
    "as they are": dict(moves=[], stays=ALL),
    "half the modes dropped": dict(moves=["recall"], stays=["precision", "density", "checkerboard", "spectrum", "grey_levels", *COPIES]),
    "20 copies among 100": dict(moves=COPIES, stays=["kid", "fid", "precision", "density", *TEXTURE, "recall", "coverage", "ms_ssim"]),
    "blurred": dict(moves=["spectrum", "swd"], stays=["checkerboard", "grey_levels", "ms_ssim", *COPIES]),
    "a grid of one grey level": dict(moves=["checkerboard"], stays=["swd", "grey_levels", "ms_ssim", *COPIES]),
    "14 grey levels brighter": dict(moves=["grey_levels", "swd"], stays=["spectrum", "checkerboard", "recall", "vendi", "ms_ssim", *COPIES]),
    "the other class": dict(moves=["kid", "fid", "precision", "density"], stays=["checkerboard", "recall", "vendi", *COPIES]),
}

MADE_BY = {
    "as they are": ("as they are", 0.0),
    "half the modes dropped": ("kind dropped", 0.5),  # the truth: elbows stand off the body by the factor arm_gap
    "20 copies among 100": ("copied", 0.2),
    "blurred": ("blurred", 1.0),
    "a grid of one grey level": ("grid", 1.0),
    "14 grey levels brighter": ("brighter", 14.0),
    "the other class": ("other class", 1.0),
}


@pytest.fixture(scope="module")
def network():
    return load_features()


@pytest.fixture(scope="module")
def sets(network, tmp_path_factory) -> dict[str, FilmSet]:
    """Held-out, training, and the films of every case."""
    cache = tmp_path_factory.mktemp("descriptions")

    def look(items: list[Item]) -> FilmSet:
        return collect("phantoms", items, network, cache, progress=False)

    films = HonestFilms(COUNT, RESOLUTION)
    sets = {"held-out": films.held_out, "training": films.training}
    sets |= {case: DISTORTIONS[name].items(films, amount) for case, (name, amount) in MADE_BY.items()}
    return {name: look(items) for name, items in sets.items()}


@pytest.fixture(scope="module")
def table(sets) -> dict[str, dict[str, float]]:
    """p of every measure on every case; without IDCGAN_TABLES only of those that the case says something of."""
    settings, folder = Settings(draws=DRAWS, progress=False), os.environ.get("IDCGAN_TABLES")
    found: dict[str, dict[str, float]] = {}
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(pool_module, "PAIR_FILMS", 12)  # MS-SSIM is slow: 66 pairs a set will do here
        real, look = joined(sets["training"].films, sets["held-out"].films), copies_module.registered_distances
        among = look(real.thumb, real.thumb)  # of real films and real films: the same in every case
        alike = lambda a, b: np.array_equal(a, real.thumb) and np.array_equal(b, real.thumb)  # noqa: E731
        patch.setattr(copies_module, "registered_distances", lambda a, b: among if alike(a, b) else look(a, b))
        for case, said in CASES.items():
            pool = Pool(sets[case].films, sets["held-out"].films)
            asked = [m for m in MEASURES if folder or m.key in (*said["moves"], *said["stays"])]
            found[case] = {m.key: p_value(m, pool, DRAWS, 0) for m in asked}
            entries = search_for_copies(sets[case], sets["training"], sets["held-out"], settings)
            found[case] |= {key: entry["p"] for key, entry in entries.items()}
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "evaluation-cases.md").write_text(written(found), encoding="utf-8")
    return found


def written(found: dict[str, dict[str, float]]) -> str:
    """The table in Markdown: a row per measure, a column per case, bold where it moves."""
    lines = ["| p | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    for key in ALL:
        cells = [f"**{found[case][key]:.2g}**" if found[case][key] <= LEVEL else f"{found[case][key]:.2g}" for case in found]
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_the_right_measure_moves_and_the_others_do_not(table, case):
    p = table[case]
    still = {key: p[key] for key in CASES[case]["moves"] if p[key] > LEVEL}
    moved = {key: p[key] for key in CASES[case]["stays"] if p[key] <= LEVEL}
    assert (still, moved) == ({}, {}), f"{case}: {p}"


def test_the_flagged_films_are_the_copies(sets):
    settings = Settings(draws=19, progress=False)
    entry = search_for_copies(sets["20 copies among 100"], sets["training"], sets["held-out"], settings)["copies"]
    assert 15 <= entry["count"] <= 25  # 20 copies; of the 80 others 2 in 101 are expected by chance
    assert len(entry["pairs"]) == 10
    for pair in entry["pairs"]:
        assert pair["flagged"]
        assert pair["film"] == f"{pair['training']}, near copy"
    assert entry["interval"][0] <= entry["value"] <= entry["interval"][1]


def test_no_false_alarm_beyond_chance(sets):
    """Ten divisions of films that are all alike: at 5 % no more than three alarms may come of each test (p < 0.001 for more)."""
    alike = joined(joined(sets["held-out"].films, sets["training"].films), sets["as they are"].films)
    tables, alarms = distance_tables(alike, alike), {"copies": 0, "membership": 0}

    def between(films: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
        return {k: table[np.ix_(films, others)] for k, table in tables.items()}

    for seed in range(10):
        made, training, held_out = np.split(np.random.default_rng(seed).permutation(3 * COUNT)[:180], 3)
        alarms["copies"] += copies_p(nearest(between(made, training)), nearest(between(held_out, training))) <= LEVEL
        real = np.r_[training, held_out]
        alarms["membership"] += membership_by_distance(between(real, made), between(real, real), 60, 0)["p"] <= LEVEL
    assert max(alarms.values()) <= 3, alarms


def test_copies_of_held_out_films_are_no_copies_of_training_films(sets):
    """The search asks about training films alone."""
    made = FilmSet("held-out in part", sets["held-out"].items[:50] + sets["as they are"].items[:50],
                   joined(sets["held-out"].first(50).films, sets["as they are"].first(50).films), [])  # fmt: skip
    others = sets["held-out"].at(range(50, COUNT))
    entry = search_for_copies(made, sets["training"], others, Settings(draws=19, progress=False))["copies"]
    assert not entry["told_apart"], entry["p"]
