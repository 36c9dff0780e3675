"""Are the films of use? A classifier of normal against abnormal is trained on real, on made and on both, and tested on held-out real films.

The paper's related work asks the same of its augmentation (79.5 % without, 91 % with; Bhagat and Bhaumik 2019). Here it is a logistic
regression on the films' features: no training run decides the answer, and its hundred repetitions take seconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

ByClass = dict[str, np.ndarray]  # label_class: (n, dim) features


def usefulness(real: ByClass, made: ByClass, held_out: ByClass, seed: int, draws: int = 40) -> dict[str, Any]:
    """AUC and accuracy on `held_out` by what the classifier learnt from: "real", "synthetic", "both", "shuffled labels" (chance).

    Each of `draws` seeds draws training films and held-out films anew, with repetition; values are means, intervals 95 % over the
    seeds. `gain` is the AUC with made films added less the AUC without, on the same seeds; copies of training films have one too, for they bring
    back those that a draw left out, so look for copies first. The classes are the keys, the second
    in alphabetical order is the one to be found.
    """
    wanted, other = sorted(real)[0], sorted(real)[1]
    least = {c: min(len(real[c]), len(made[c])) for c in (wanted, other)}
    rng = np.random.default_rng(seed)
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in ("real", "synthetic", "both", "shuffled labels")}
    for _ in range(draws):
        drawn_real, drawn_made = _drawn(real, least, rng), _drawn(made, least, rng)
        test = _drawn(held_out, {c: len(held_out[c]) for c in held_out}, rng)
        both = tuple(np.concatenate(pair) for pair in zip(drawn_real, drawn_made, strict=True))
        chance = (drawn_real[0], rng.permutation(drawn_real[1]))
        for name, films in (("real", drawn_real), ("synthetic", drawn_made), ("both", both), ("shuffled labels", chance)):
            scores[name].append(_score(films, test))
    table = {name: {"auc": _summary([s[0] for s in rows]), "accuracy": _summary([s[1] for s in rows])} for name, rows in scores.items()}
    gain = _summary([b[0] - r[0] for b, r in zip(scores["both"], scores["real"], strict=True)])
    return {"trained_on": table, "gain": gain, "films": least, "held_out": {c: len(x) for c, x in held_out.items()}, "draws": draws,
            "classifier": "logistic regression on standardised features"}  # fmt: skip


def _drawn(films: ByClass, counts: dict[str, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    parts = [films[c][rng.integers(0, len(films[c]), counts[c])] for c in sorted(films)]
    return np.concatenate(parts), np.repeat([0, 1], [len(part) for part in parts])


def _score(films: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    strength = 2 / len(films[1])  # per film: or twice the films, be they the same ones again, would be held back half as much
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)).fit(*films)
    return float(roc_auc_score(test[1], model.decision_function(test[0]))), float(balanced_accuracy_score(test[1], model.predict(test[0])))


def _summary(values: list[float]) -> dict[str, Any]:
    low, high = np.quantile(values, (0.025, 0.975))
    return {"value": float(np.mean(values)), "interval": [float(low), float(high)]}
