"""The report: are the films good, varied, of use, and are they copies? Every figure beside what real films score.

`evaluate` collects the sets, puts each measure to them and to the floors, and searches for copies; `verdicts.py` says in words
what came out, `report.py` draws it. All of it is deterministic given the seed.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from . import machine, tuning
from .errors import InputError
from .features import FeatureNetwork, load_features
from .filmset import LEAST, UNREAD, FilmSet, Item, collect
from .intake import cores
from .judgement import judge
from .memorising import membership_by_discriminator, search_for_copies
from .records import surroundings
from .settings import Settings
from .subject import Subject, fingerprint, made_as, other_class, own_films, real_films, refuse_other_films, subject
from .usefulness import usefulness


@dataclass(frozen=True)
class Evidence:
    """The sets that a report is made from. Without training films `training` is one half of the real films, and `copies` asks nothing."""

    subject: Subject
    made: FilmSet
    held_out: FilmSet
    training: FilmSet
    other: FilmSet | None
    seen: bool  # was the generator trained on `training`?
    label_class: str


def evaluate(
    source: str | Path, real: str | Path, train: str | Path = "", other: str | Path = "", settings: Settings | None = None
) -> tuple[dict[str, Any], Evidence]:
    """The report on a run, a generator file or a folder of made films, as a dict, and the films it rests on.

    `real`: held-out real films. `train`: what the generator learnt from; left out, a run's own. `other`: a run or folder of
    the other class, for the question of use; `real` and `train` must then be folders with both classes. Raises InputError.
    """
    settings, began = settings or Settings(), time.monotonic()
    tuning.keep_memory()
    network = load_features(settings.features)
    about = subject(source, settings.count, settings.seed, settings.resolution, settings.device, settings.spread)
    evidence = _collect(about, real, train, network, settings)
    beside = _both_classes(evidence, real, train or about.training, other, settings) if other else None  # refused now, not after minutes
    with threadpool_limits(1):  # small matrices, many of them: on busy cores the threads of BLAS mostly wait for each other
        report: dict[str, Any] = {"about": _about(evidence, source, real, train, network, settings)}
        report |= judge(evidence.made, evidence.held_out, evidence.training, evidence.other, about.resolution, network, settings)
        if evidence.seen:
            report |= search_for_copies(evidence.made, evidence.training, evidence.held_out, settings)
            report |= membership_by_discriminator(about, evidence.training, evidence.held_out, settings)
    if other:
        report["usefulness"] = _usefulness(evidence, *beside, network, settings)
    if about.run:
        report["history"] = [{"resolution": int(r), **level} for r, level in about.run.run["levels"].items()]
    report["curves"] = _curves(evidence)
    report["about"] |= {"seconds": round(time.monotonic() - began, 1), "peak_memory": machine.memory_peak()}
    return report, evidence


# ---- the sets --------------------------------------------------------------------------------------------------------


def _collect(about: Subject, real: str | Path, train: str | Path, network: FeatureNetwork, settings: Settings) -> Evidence:
    label_class = settings.label_class or about.label_class
    if about.label_class.lower() not in ("", label_class.lower()):
        raise InputError(f"{about.name} was trained on films of class {about.label_class!r}, and --class is {label_class!r}; leave it out.")
    if not train:
        refuse_other_films(about)
    train = train or about.training
    square, drawn = made_as(train, real)
    about = replace(about, square=about.square or square, drawn=drawn)
    held = real_films(real, label_class, about.resolution, about.square, "--real", drawn)
    learnt = real_films(train, label_class, about.resolution, about.square, "--train", drawn) if train else []
    _refuse_overlap(held, learnt, real, train)
    _refuse_overlap(held, own_films(about), real, about.training)

    def gather(title: str, items: list[Item]) -> FilmSet:
        return collect(title, items, network, settings.cache, settings.progress)

    if settings.cache:
        settings.cache.mkdir(parents=True, exist_ok=True)
    held_out = gather("held-out films", held)
    if learnt:
        training = gather("training films", learnt)
    elif len(held_out) < 2 * LEAST:
        raise InputError(
            f"--real {real} has {len(held_out)} films that can be used. Without training films one half of them plays these: name them with --train, "
            f"or hold out {2 * LEAST} and more."
        )
    else:  # floors need two sets of real films
        half = len(held_out) // 2
        training, held_out = held_out.first(half), held_out.at(range(half, len(held_out)))
    made = gather("made films", about.items)
    beside = other_class(real, label_class)
    wrong = None
    if beside:
        with contextlib.suppress(InputError):  # a landmark, no condition: a few films of it are none
            wrong = gather("other class", real_films(beside[0], beside[1], about.resolution, about.square, "--real", drawn))
    return Evidence(about, made, held_out, training, wrong, bool(learnt), label_class)


def _refuse_overlap(held: list[Item], learnt: list[Item], real: str | Path, train: str | Path) -> None:
    shared = {_identity(item) for item in learnt}
    both = [item.name for item in held if _identity(item) in shared and not item.key.startswith(UNREAD)]
    if both:
        raise InputError(
            f"{len(both)} films are in --real {real} and in the training films {train} (the first: {both[0]}); held-out films must be others, "
            "or every floor is wrong."
        )


def _identity(item: Item) -> str:
    """What stays the same however a film is made square: its file's hash; a phantom, which is drawn at any size, is told by its name."""
    return item.name if item.name.startswith("phantom:") else item.key.split()[0]


def _about(evidence: Evidence, source: Any, real: Any, train: Any, network: FeatureNetwork, settings: Settings) -> dict[str, Any]:
    resolution = evidence.subject.resolution
    sets = {"made": evidence.made, "held_out": evidence.held_out, "training": evidence.training}
    return {
        "name": evidence.subject.name, "source": str(source), "real": str(real), "train": str(train or evidence.subject.training),
        "label_class": evidence.label_class, "resolution": resolution, "features": network.name,
        "seed": settings.seed, "draws": settings.draws, "spread": settings.spread,
        "films": {name: len(films) for name, films in sets.items()}, "compared": min(len(evidence.made), len(evidence.training)),
        "fingerprints": {name: fingerprint(films.items) for name, films in sets.items()},
        "seen": evidence.seen, "projected": evidence.subject.projected,
        "init": evidence.subject.init or None,
        "smaller_than_resolution": {n: int((s.films.side < resolution).sum()) for n, s in sets.items()},
        "left_out": [*evidence.made.left_out, *evidence.held_out.left_out, *(evidence.training.left_out if evidence.seen else [])],
        "device": machine.describe(torch.device("cpu")), "cores": cores(), **surroundings(),
    }  # fmt: skip


# ---- what else a reader wants to see ---------------------------------------------------------------------------------


def _curves(evidence: Evidence) -> dict[str, Any]:
    """Mean spectra in dB, for the figure."""
    sets = {"made": evidence.made, "real": evidence.training, "held-out": evidence.held_out}
    return {"spectrum": {name: films.films.spectrum.mean(0).round(2).tolist() for name, films in sets.items()}}


def _both_classes(evidence: Evidence, real: Any, train: Any, source: Any, settings: Settings) -> tuple[str, Subject, list[Item]]:
    """The other class, its made films and its training films. Raises InputError where they are not to be had."""
    about, resolution = evidence.subject, evidence.subject.resolution
    beside = other_class(train, evidence.label_class) if train else None
    if beside is None or evidence.other is None:
        raise InputError(
            f"--other asks for both classes of real films; give --real and --train folders that hold two classes (not {train or real}), "
            f"{LEAST} films of each and more."
        )
    wrong = beside[1]
    films = subject(source, settings.count, settings.seed, resolution, settings.device, settings.spread)
    if films.label_class.lower() not in ("", wrong.lower()):
        raise InputError(f"--other {source} was trained on {films.label_class!r} films; it must be the other class, {wrong!r}.")
    if films.resolution != resolution:
        raise InputError(
            f"--other {source} makes films of {films.resolution} and {about.name} of {resolution}; make them the same with --resolution."
        )
    learnt = real_films(beside[0], wrong, resolution, about.square, "--train", about.drawn)
    _refuse_overlap(evidence.other.items, learnt, real, train)
    _refuse_overlap(evidence.other.items, own_films(films), real, films.training)
    return wrong, films, learnt


def _usefulness(evidence: Evidence, wrong: str, films: Subject, items: list[Item], network: FeatureNetwork, settings: Settings) -> dict[str, Any]:
    """A classifier of this class and the other one, `wrong`, of which `films` are made and `items` the training films."""
    label_class = evidence.label_class
    made = collect(f"made {wrong} films", films.items, network, settings.cache, settings.progress)
    learnt = collect(f"training films, {wrong}", items, network, settings.cache, settings.progress)

    def by_class(this: FilmSet, that: FilmSet) -> dict[str, Any]:
        return {label_class: this.films.features, wrong: that.films.features}

    found = usefulness(by_class(evidence.training, learnt), by_class(evidence.made, made), by_class(evidence.held_out, evidence.other), settings.seed)
    return {"other": films.name, **found}
