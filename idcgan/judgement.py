"""Set against set: every measure on the made films, on real films in their place, and on films spoilt on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
from tqdm.auto import tqdm

from .features import FeatureNetwork
from .filmset import FilmSet, blurred, changed_items, collect, noise_items
from .measures import MEASURES, swd_scales
from .pool import Pool
from .settings import LEVEL, Settings
from .significance import Measure, interval, p_value

# 60 of 138 real films read as worse by these (FID 62 for 49, Vendi score 20 for 27); the others move by less than by which 60 are drawn
HANG_ON_COUNT = {"fid", "fid_infinity", "swd", "grey_levels", "coverage", "vendi"}


def judge(made: FilmSet, held_out: FilmSet, training: FilmSet, other: FilmSet | None, resolution: int, network: FeatureNetwork,
          settings: Settings) -> dict[str, Any]:  # fmt: skip
    """Every measure of MEASURES: value, interval, p, floor, and where spoilt films stand ("placed").

    Sets are cut to the same number of films, for several measures hang on it; by these the other class has no place where it has fewer.
    The floor is real against real: the training films in the place of the made ones. `told_apart` is a test's answer: had the films
    been shuffled, would they lie as far apart?
    """
    count = min(len(made), len(training))
    spoilt = {"blurred 4x": changed_items(training.items[:count], "blurred 4x", blurred), "noise": noise_items(count, resolution, settings.seed)}
    candidates = {"made": made.first(count), "real": training.first(count)}
    if other is not None:
        candidates["other class"] = other.first(count)
    candidates |= {name: collect(name, items, network, settings.cache, settings.progress) for name, items in spoilt.items()}
    entries: dict[str, dict[str, Any]] = {m.key: _entry(m) for m in MEASURES}
    for name, films in candidates.items():
        pool = Pool(films.films, held_out.films)
        for measure in tqdm(MEASURES, desc=f"{name} against held-out", leave=False, disable=not settings.progress):
            if len(films) == count or measure.key not in HANG_ON_COUNT:
                _measure(measure, name, pool, entries[measure.key], settings)
    _halves(held_out, entries, settings)
    for entry in entries.values():
        entry["told_apart"] = entry["p"] <= LEVEL
    return entries


def _entry(measure: Measure) -> dict[str, Any]:
    return {
        "title": measure.title, "family": measure.family, "unit": measure.unit, "worse": measure.tail, "sees": measure.sees,
        "reference": measure.source, "placed": {},
    }  # fmt: skip


def _measure(measure: Measure, name: str, pool: Pool, entry: dict[str, Any], settings: Settings) -> None:
    value = measure.value(pool, pool.candidate_at, pool.reference_at)
    if name == "made":
        entry["value"] = value
        entry["interval"] = list(interval(measure, pool, 50, settings.seed))
        entry["p"] = p_value(measure, pool, settings.draws, settings.seed)
        if measure.key == "swd":
            entry["scales"] = {"made": swd_scales(pool, pool.candidate_at, pool.reference_at).round(2).tolist()}
        return
    entry["placed"][name] = value
    if name == "real":
        entry["floor"] = value
        entry["floor_interval"] = list(interval(measure, pool, 50, settings.seed))
        entry["floor_p"] = p_value(measure, pool, settings.draws, settings.seed)
    if measure.key == "swd":
        entry["scales"][name] = swd_scales(pool, pool.candidate_at, pool.reference_at).round(2).tolist()


def _halves(held_out: FilmSet, entries: dict[str, dict[str, Any]], settings: Settings, times: int = 5) -> None:
    """Real against real once more: two halves of the held-out films, the mean of a few divisions."""
    rng, found = np.random.default_rng(settings.seed), {m.key: [] for m in MEASURES}
    for _ in range(times):
        order = rng.permutation(len(held_out))
        one, two = held_out.at(order[: len(order) // 2]), held_out.at(order[len(order) // 2 :])
        pool = Pool(one.films, two.films)
        for measure in MEASURES:
            if measure.key != "ms_ssim":  # a property of one set, and the slowest: the held-out films as they are say the same
                found[measure.key].append(measure.value(pool, pool.candidate_at, pool.reference_at))
    for key, values in found.items():
        if values:
            entries[key]["placed"]["halves of held-out"] = float(np.mean(values))
