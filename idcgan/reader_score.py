"""What the answers of a reader study say: each reader's figures with exact intervals, and the agreement between readers.

A positive is a synthetic film: sensitivity is the share of synthetic films that were called synthetic, specificity the
share of real films that were called real. Films that passed for real bring accuracy down to 0.5, which is guessing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .reader_answers import Answers, Study
from .reader_films import KINDS
from .runs_table import aligned

CONFIDENCE = 0.95


def score(folder: str | Path, files: Sequence[str | Path] = ()) -> dict[str, Any]:
    """Figures by reader, and the agreement between them, from the study in `folder` and answer files (default: all answers-*.json in it).

    Accuracy, sensitivity and specificity are {"value", "interval", "floor", "correct", "of"}, the interval Clopper and
    Pearson's at 95 %, the floor what guessing gets; None for what has no answers yet. Raises InputError.
    """
    study = Study.open(folder)
    paths = [Path(p) for p in files] or sorted(study.path.glob("answers-*.json"))
    if not paths:
        raise InputError(f"{folder} holds no answers-*.json; put the readers' files into it, or name them.")
    found: dict[str, Path] = {}
    readings = []
    for path in paths:
        answers = Answers.read(path, study)
        if answers.reader in found:
            raise InputError(f"{found[answers.reader]} and {path} both hold the answers of reader {answers.reader!r}; leave one out.")
        found[answers.reader] = path
        readings.append(answers)
    return {"study": study.id, "films": len(study.kinds), "confidence": CONFIDENCE,
            "readers": {answers.reader: reader_figures(study, answers) for answers in readings},
            "agreement": agreement(readings) if len(readings) > 1 else None}  # fmt: skip


def reader_figures(study: Study, answers: Answers) -> dict[str, Any]:
    """One reader's figures over the films answered so far; see `score`. p_guessing: two-sided, exact, against one half."""
    from scipy.stats import binomtest

    right = {kind: [a.said == kind for name, a in answers.answers.items() if study.kinds[name] == kind] for kind in KINDS}
    every = [*right["real"], *right["synthetic"]]
    return {
        "answered": len(every),
        "accuracy": proportion(sum(every), len(every)),
        "sensitivity": proportion(sum(right["synthetic"]), len(right["synthetic"])),
        "specificity": proportion(sum(right["real"]), len(right["real"])),
        "p_guessing": float(binomtest(sum(every), len(every), 0.5).pvalue) if every else None,
        "median_seconds": statistics.median(a.seconds for a in answers.answers.values()) if every else None,
    }


def proportion(correct: int, of: int) -> dict[str, Any] | None:
    """A share with the exact binomial interval (Clopper and Pearson 1934, Biometrika 26:404); None of none."""
    from scipy.stats import binomtest

    if of == 0:
        return None
    interval = binomtest(correct, of).proportion_ci(CONFIDENCE, method="exact")
    return {"value": correct / of, "interval": [float(interval.low), float(interval.high)], "floor": 0.5, "correct": correct, "of": of}


def agreement(readings: Sequence[Answers]) -> dict[str, Any]:
    """Cohen's kappa for two readers, Fleiss' for more, over the films that all have answered; `observed`: how often two agree.

    kappa is None where it is not defined: no film in common, or only one answer was ever given.
    """
    common = [name for name in readings[0].answers if all(name in other.answers for other in readings)]
    said = np.array([[KINDS.index(r.answers[name].said) for r in readings] for name in common], dtype=int).reshape(-1, len(readings))
    counts = np.stack([len(readings) - said.sum(1), said.sum(1)], axis=1)
    name = "cohen" if len(readings) == 2 else "fleiss"
    kappa = observed = None
    if len(common):
        observed = float(_pair_agreement(counts).mean())
        kappa = fleiss_kappa(counts) if name == "fleiss" else _cohen_kappa(said)
    return {"statistic": name, "kappa": kappa, "observed": observed, "films": len(common), "readers": [r.reader for r in readings]}


def fleiss_kappa(counts: np.ndarray) -> float | None:
    """Agreement of many readers beyond chance, 1 at best; None where all answers are one and the same.

    counts: (films, answers), how many readers gave that answer to that film; every row has the same sum, 2 or more.
    Fleiss (1971), Measuring nominal scale agreement among many raters, Psychological Bulletin 76(5):378-382, equation 7.
    """
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    if chance == 1:
        return None
    return (float(_pair_agreement(counts).mean()) - chance) / (1 - chance)


def _pair_agreement(counts: np.ndarray) -> np.ndarray:
    """Per film, the share of pairs of readers that agree."""
    readers = counts[0].sum()
    return (counts * (counts - 1)).sum(1) / (readers * (readers - 1))


def _cohen_kappa(said: np.ndarray) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if said.min() == said.max():  # 0 / 0
        return None
    return float(cohen_kappa_score(said[:, 0], said[:, 1]))


def percent(share: float) -> str:
    """One decimal, halves up, as the page does it: 0.5625 is 56.3 %."""
    return f"{math.floor(share * 1000 + 0.5) / 10:.1f} %"


def as_table(result: dict[str, Any]) -> str:
    """What `score` found, for a person."""
    head = ["reader", "answered", "accuracy", "sensitivity", "specificity", "p (guessing)", "s per film"]
    rows = [[name, f"{f['answered']} of {result['films']}", *(_cell(f[k]) for k in ("accuracy", "sensitivity", "specificity")),
             _number(f["p_guessing"], ".2g"), _number(f["median_seconds"], ".1f")] for name, f in result["readers"].items()]  # fmt: skip
    lines = aligned([head, *rows])
    lines.append("sensitivity: synthetic called synthetic; specificity: real called real; in brackets exact 95 % intervals; guessing gets 50 %.")
    if result["agreement"]:
        lines.append(_agreement_sentence(result["agreement"]))
    return "\n".join(lines)


def _agreement_sentence(found: dict[str, Any]) -> str:
    who = f"{' and '.join(found['readers']) if len(found['readers']) == 2 else str(len(found['readers'])) + ' readers'}"
    if not found["films"]:
        return f"agreement: {who} have answered no film in common."
    kappa = "is not defined, for all gave one and the same answer" if found["kappa"] is None else f"{found['kappa']:.3f}"
    return f"agreement: {found['statistic'].capitalize()}{chr(39) if found['statistic'] == 'fleiss' else chr(39) + 's'} kappa {kappa} " \
           f"({who}, {found['films']} films in common; two agree on {percent(found['observed'])})."  # fmt: skip


def _cell(figure: dict[str, Any] | None) -> str:
    return f"{percent(figure['value'])} ({percent(figure['interval'][0])[:-2]} to {percent(figure['interval'][1])[:-2]})" if figure else "-"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
