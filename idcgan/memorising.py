"""What a report says of copies: near-copies, membership by distance and by the discriminator, MiFID."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from . import copies
from .config import RunConfig
from .crops import PatchDiscriminator
from .description import joined
from .errors import InputError, WorkError
from .filmset import FilmSet
from .measures import fid
from .networks import Discriminator
from .pool import Pool
from .settings import LEVEL, Settings
from .state import restore
from .subject import Subject


def search_for_copies(made: FilmSet, training: FilmSet, held_out: FilmSet, settings: Settings) -> dict[str, Any]:
    """Near-copies among all made films, the membership test by distance, and MiFID."""
    trained, real = len(training), joined(training.films, held_out.films)
    among = copies.distance_tables(real, real)
    found = copies.search(made.films, training.films)
    known, same = (copies.nearest({k: t[rows, :trained] for k, t in among.items()}) for rows in (slice(trained, None), slice(trained)))
    flags = copies.flagged(found, known)
    order = np.argsort(np.min([found.distance[k] / _line(known, k) for k in found.distance], axis=0))
    pairs = [{"film": made.items[i].name, "flagged": bool(flags[i]), **_nearest(found, known, training, i)} for i in order[:10]]
    closest = [int(known.distance[k].argmin()) for k in known.distance]
    p = copies.copies_p(found, known)
    count = int(flags.sum())
    machine = copies.flagged(same, known)
    distances = {name: {k: d.round(4).tolist() for k, d in s.distance.items()} for name, s in (("made", found), ("held-out", known))}
    entry = {
        "title": "near-copies", "family": "copies", "unit": "share of films", "worse": "high",
        "reference": "exact rank test; cf. Meehan et al. 2020",
        "sees": "films nearer to a training film than any held-out film is, by features or by registered pixels",
        "value": count / len(made), "count": count, "interval": list(copies.share_interval(count, len(made))), "p": p,
        "told_apart": p <= LEVEL,
        "floor": 2 / (len(held_out) + 1), "noticed_from": copies.fewest_noticed(len(made), len(held_out), LEVEL),
        "twins": [held_out.items[i].name for i in np.flatnonzero(copies.twins(known))],
        "placed": {"halves of held-out": _honest_share(known, settings.seed), "copy machine": float(machine.mean())},
        "thresholds": {k: float(d.min()) for k, d in known.distance.items()}, "pairs": pairs,
        "nearest_held_out": [{"film": held_out.items[i].name, **_nearest(known, known, training, i)} for i in dict.fromkeys(closest)],
        "distances": distances,
    }  # fmt: skip
    return {
        "copies": entry,
        "membership": _membership(made, training, held_out, among, settings),
        "mifid": _mifid(made, training, held_out, settings),
    }


def _line(known: copies.Search, k: str) -> float:
    return max(float(known.distance[k].min()), 1e-9)


def _nearest(found: copies.Search, known: copies.Search, training: FilmSet, i: int) -> dict[str, Any]:
    """The training film that film i lies nearest to, by the detector that puts it farther beyond its line."""
    by = min(found.distance, key=lambda k: found.distance[k][i] / _line(known, k))
    return {"training": training.items[found.nearest[by][i]].name, "by": by, "distances": {k: float(d[i]) for k, d in found.distance.items()}}


def _membership(made: FilmSet, training: FilmSet, held_out: FilmSet, among: dict[str, np.ndarray], settings: Settings) -> dict[str, Any]:
    """`among`: distances of the real films to each other, training films first."""
    real, trained, half = joined(training.films, held_out.films), len(training), len(held_out) // 2
    kept, played = np.r_[0:trained, trained + half : len(real.features)], slice(trained, trained + half)  # half of the held-out films play made ones
    found = copies.membership_by_distance(copies.distance_tables(real, made.films), among, trained, settings.seed)
    machine = copies.membership_by_distance({k: t[:, :trained] for k, t in among.items()}, among, trained, settings.seed)
    honest = copies.membership_by_distance(
        {k: t[kept, played] for k, t in among.items()}, {k: t[np.ix_(kept, kept)] for k, t in among.items()}, trained, settings.seed
    )
    return {"title": "membership by distance", "family": "copies", "unit": "AUC", "worse": "high", "reference": "Hilprecht et al. 2019",
            "sees": "whether training films lie nearer to the made films than held-out ones do; 0.5 is chance", **found,
            "told_apart": found["p"] <= LEVEL, "floor": 0.5,
            "placed": {"halves of held-out": honest["value"], "copy machine": machine["value"]}}  # fmt: skip


def _mifid(made: FilmSet, training: FilmSet, held_out: FilmSet, settings: Settings) -> dict[str, Any]:
    """MiFID towards the training films, of made and of held-out films, as many of each; told apart by shuffling the two."""
    count = min(len(made), len(held_out))
    pool = Pool(joined(made.first(count).films, held_out.first(count).films), training.films)
    nearest = copies.cosine_distances(pool.films.features[: 2 * count], training.films.features).min(1)

    def value(at: np.ndarray) -> float:
        mean = nearest[at].mean()
        return fid(pool, at, pool.reference_at) / (mean if mean < copies.MIFID_NEAR else 1.0)

    ours, theirs, rng = np.arange(count), np.arange(count, 2 * count), np.random.default_rng(settings.seed)
    gap, reached = value(ours) - value(theirs), 0
    for _ in range(settings.draws):
        order = rng.permutation(2 * count)
        reached += bool(value(order[:count]) - value(order[count:]) >= gap)
    halves = [value(rng.choice(ours, count // 2, replace=False)) for _ in range(50)]
    reach, p = 1.96 * float(np.std(halves, ddof=1)), (1 + reached) / (1 + settings.draws)
    return {"title": "MiFID", "family": "fidelity", "unit": "", "worse": "high", "reference": "Bai et al. 2021",
            "sees": "FID towards the training films, divided by the distance to the nearest where that is under 0.1; films that look wrong are far "
            "from these too, so it is no test of copies", "value": value(ours),
            "interval": [value(ours) - reach, value(ours) + reach], "p": p, "told_apart": p <= LEVEL, "floor": value(theirs),
            "placed": {"real": value(theirs)}}  # fmt: skip


def _honest_share(known: copies.Search, seed: int, times: int = 50) -> float:
    """The share flagged where one half of the held-out films plays the made ones and the other draws the line."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(times):
        order = rng.permutation(len(known.distance["pixels"]))
        one, two = (copies.Search({k: d[at] for k, d in known.distance.items()}, {}) for at in np.array_split(order, 2))
        shares.append(copies.flagged(one, two).mean())
    return float(np.mean(shares))


def membership_by_discriminator(about: Subject, training: FilmSet, held_out: FilmSet, settings: Settings) -> dict[str, Any]:
    """Does the run's discriminator hold training films for more real than held-out ones? {} where there is none of this resolution.

    An overtrained D knows its films, whatever G makes of it. D looks at one film at a time, with the batch statistics it has learnt. Whoever has the
    checkpoint can ask each of its verdicts, so the one that tells most counts; its p is multiplied by their number (Bonferroni).
    """
    discriminator = discriminator_of(about)
    if discriminator is None:
        return {}
    seen, new = (opinions(discriminator, films, settings.progress) for films in (training, held_out))
    sign = -1 if about.run.run["config"]["labels"] == "flipped" else 1
    by_verdict = {name: copies.membership_auc(sign * seen[name], sign * new[name], settings.seed) for name in seen}
    strongest = max(by_verdict, key=lambda name: by_verdict[name]["value"])
    found = {**by_verdict[strongest], "p": min(1.0, len(by_verdict) * by_verdict[strongest]["p"])}
    chance = copies.best_by_chance([np.concatenate([seen[name], new[name]]) for name in seen], len(training.items), settings.seed)
    return {"membership_d": {
        "title": "membership by D", "family": "copies", "unit": "AUC", "worse": "high", "reference": "Hayes et al. 2019",
        "sees": "whether a verdict of the discriminator tells training films from held-out ones: the one that does best", **found,
        "told_apart": found["p"] <= LEVEL, "floor": chance, "placed": {}, "verdict": strongest,
        "verdicts": {name: entry["value"] for name, entry in by_verdict.items()}}}  # fmt: skip


def discriminator_of(about: Subject) -> Discriminator | PatchDiscriminator | None:
    """The run's discriminator in eval mode, or None where it is gone, untrained, or made for another resolution than that of the films."""
    if about.run is None:
        return None
    try:
        state = restore(about.run, RunConfig.from_dict(about.run.run["config"]), torch.device("cpu"))
    except (InputError, WorkError):  # the report does not hang on a checkpoint that someone has tidied away
        return None
    right = state.step > 0 and state.discriminator.levels[-1] == about.resolution
    return state.discriminator.eval().requires_grad_(False) if right else None


def beliefs(discriminator: Discriminator | PatchDiscriminator, films: FilmSet, progress: bool = False) -> np.ndarray:
    """(films,) logits of what it says of whole films."""
    return opinions(discriminator, films, progress)["whole films"]


def opinions(discriminator: Discriminator | PatchDiscriminator, films: FilmSet, progress: bool = False) -> dict[str, np.ndarray]:
    """For each of its verdicts (films,) logits, their mean where there are many of a film; one film at a time."""
    out: dict[str, list[float]] = {}
    for item in tqdm(films.items, desc=f"D on {films.title}", unit="film", leave=False, disable=not progress):
        film = torch.from_numpy(item.film()).float() / 127.5 - 1
        with torch.no_grad():
            said = discriminator(film.expand(1, discriminator.channels, -1, -1), verdicts=True)
        kinds = {"whole films": (said.whole,), "patches": said.patches, "borrowed features": said.projected}
        for kind, group in kinds.items():
            for number, logits in enumerate(group, 1):
                out.setdefault(kind if len(group) == 1 else f"{kind}, {number} of {len(group)}", []).append(logits.mean().item())
    return {name: np.array(logits) for name, logits in out.items()}
