"""The report in sentences: what the figures say, what they cannot say, for a reader who has never heard of KID."""

from __future__ import annotations

from typing import Any

import numpy as np

from .settings import LEVEL

UNSEEN = (
    "Not asked: the films they were learnt from are not at hand; name them with --train. The floor is of halves of the real films, so no figure here "
    "is to be held against a report that has those films."
)
FEW = 500  # films under which FID's bias is larger than most differences of interest


def verdicts(report: dict[str, Any]) -> list[dict[str, str]]:
    """[{"question", "answer", "tone"}], tone "good", "mixed" or "bad"; the questions in the order people ask them."""
    found = [_fidelity(report), _texture(report), _diversity(report)]
    if "copies" in report:
        found += [_copies(report), _membership(report)]
    else:
        found.append(("Are they copies?", UNSEEN, "mixed"))
    if "usefulness" in report:
        found.append(_use(report["usefulness"]))
    return [{"question": q, "answer": a, "tone": t} for q, a, t in found]


def figure(entry: dict[str, Any], value: float | None = None) -> str:
    """A figure as a person writes it: three digits, with its unit where that is decibels."""
    return f"{number(entry['value'] if value is None else value)}{' dB' if entry['unit'] == 'dB' else ''}"


def number(value: float) -> str:
    """Three significant digits, none beyond the second place."""
    if value is None or not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def span(entry: dict[str, Any], key: str = "interval") -> str:
    """The interval in words."""
    return f"{number(entry[key][0])} to {number(entry[key][1])}"


def _fidelity(report: dict[str, Any]) -> tuple[str, str, str]:
    kid = report["kid"]
    says = f"KID is {figure(kid)} (95 %: {span(kid)}; p {kid['p']:.3f}); real films against real films have {figure(kid, kid['floor'])}."
    if not kid["told_apart"]:
        others = [report[k]["title"] for k in ("fid", "fid_infinity", "precision", "density") if report[k]["told_apart"]]
        if others:
            where = f"By KID and this many films they cannot be told from real ones, by {', '.join(others)} they can."
            return "Do they look real?", f"{where} {says}", "mixed"
        return "Do they look real?", f"By this many films they cannot be told from real ones. {says}", "good"
    lie = share_words(report["precision"]["value"])
    return "Do they look real?", f"They can be told from real films. {says} {_beside(kid)} {lie} of them lie among the real films.", _tone(kid)


def share_words(value: float) -> str:
    """0.12 -> "12 %", 0.004 -> "0.4 %"."""
    return f"{100 * value:.{1 if 0 < value < 0.02 or 0.98 < value < 1 else 0}f} %"


def _beside(entry: dict[str, Any]) -> str:
    """Between which spoilt films a figure stands."""
    ladder = sorted((value, name) for name, value in entry["placed"].items() if name not in ("real", "halves of held-out") and np.isfinite(value))
    under = [name for value, name in ladder if value <= entry["value"]]
    above = [name for value, name in ladder if value > entry["value"]]
    names = {"other class": "real films of the other class", "blurred 4x": "real films blurred fourfold", "noise": "plain noise"}
    if under and above:
        return f"That is worse than {names[under[-1]]} and better than {names[above[0]]}."
    return f"That is worse than {names[under[-1]]}." if under else f"That is better than {names[above[0]]}." if above else ""


def _tone(entry: dict[str, Any]) -> str:
    if not entry["told_apart"]:
        return "good"
    blurred = entry["placed"].get("blurred 4x", np.inf)
    return "mixed" if entry["value"] < blurred else "bad"


def _texture(report: dict[str, Any]) -> tuple[str, str, str]:
    names = ("swd", "spectrum", "checkerboard", "grey_levels")
    wrong = [report[k] for k in names if report[k]["told_apart"]]
    if not wrong:
        return (
            "Is the texture right?",
            "Patches at every scale, sharpness, grain, grids and grey levels are those of real films, as far as can be told.",
            "good",
        )
    says = [f"{e['title']} {figure(e)} (real films {figure(e, e['floor'])})" for e in wrong]
    tones = [_tone(report[k]) for k in ("swd", "spectrum")]  # blurring changes neither grids nor grey levels: it is no measure of how bad these are
    grid = report["checkerboard"]
    extra = ""
    if grid["told_apart"] and grid["value"] > 3:
        extra = " A regular grid of a few pixels lies over the films, which strided layers leave."
    surely = min(e["p"] for e in wrong) <= LEVEL / len(names)  # four tests: at 5 % each, real films fail one in five times
    no = "No" if surely else "Perhaps not"
    return "Is the texture right?", f"{no}: {'; '.join(says)}.{extra}", "bad" if "bad" in tones else "mixed"


def _diversity(report: dict[str, Any]) -> tuple[str, str, str]:
    vendi, pairs = report["vendi"], report["ms_ssim"]
    says = (
        f"They are as varied as {number(vendi['value'])} films that share nothing (real films: {number(vendi['floor'])}, p {vendi['p']:.3f}); "
        f"two of them are alike by {number(pairs['value'])} (real: {number(pairs['floor'])}); they reach {share_words(report['recall']['value'])} "
        f"of the real films (real: {share_words(report['recall']['floor'])})."
    )
    asked = ("recall", "coverage", "vendi", "ms_ssim")
    if report["precision"]["told_apart"] or report["density"]["told_apart"]:
        asked = ("vendi", "ms_ssim")
        says += " Films that do not lie among the real ones reach few of them, however varied they are: recall and coverage say nothing here."
    if vendi["value"] < 0.5 * vendi["floor"] and vendi["told_apart"]:
        return "Are they varied?", f"No, this is a collapse: less than half of the variety of real films. {says}", "bad"
    lost = [report[k]["title"] for k in asked if report[k]["told_apart"]]
    if lost:
        return "Are they varied?", f"Less than real films, by {', '.join(lost)}. {says}", "mixed"
    return "Are they varied?", f"As varied as real films, as far as can be told. {says}", "good"


def _copies(report: dict[str, Any]) -> tuple[str, str, str]:
    entry, total = report["copies"], report["about"]["films"]["made"]
    low, high = map(share_words, entry["interval"])
    share = f"{entry['count']} of {total} films ({share_words(entry['value'])}, 95 %: {low} to {high})"
    says = f"{share} lie nearer to a training film than any held-out film does; p {entry['p']:.2g}."
    if entry["told_apart"]:
        return "Are they copies?", f"Yes, some are: {says} Look at the nearest pairs, and do not share these films.", "bad"
    few = f"The test notices {entry['noticed_from']} or more; fewer copies would pass: look at the nearest pairs."
    if entry["noticed_from"] > total:
        few = "With so few films no number of copies would be noticed: look at the nearest pairs."
    return "Are they copies?", f"No sign of it: {says} {few}", "good" if entry["value"] <= entry["floor"] else "mixed"


def _membership(report: dict[str, Any]) -> tuple[str, str, str]:
    leaks = [report[k] for k in ("membership", "membership_d") if k in report]
    says = "; ".join(f"{e['title']}: AUC {number(e['value'])} (95 %: {span(e)}, p {e['p']:.2g}; chance {number(e['floor'])})" for e in leaks)
    told = [e for e in leaks if e["told_apart"]]
    if not told:
        return "Do they give away who was trained on?", f"No sign of it. {says}.", "good"
    whose = " and ".join("the films" if e["title"].endswith("distance") else "the discriminator" for e in told)
    verb = "do" if len(told) > 1 or whose == "the films" else "does"
    keep = " Keep the checkpoint to yourself." if report.get("membership_d", {}).get("told_apart") else ""
    tone = "bad" if any(e["value"] > 0.7 for e in told if e["title"].endswith("distance")) else "mixed"
    return "Do they give away who was trained on?", f"Yes, {whose} {verb}. {says}.{keep}", tone


def _use(found: dict[str, Any]) -> tuple[str, str, str]:
    table, gain = found["trained_on"], found["gain"]
    auc = {name: f"{number(row['auc']['value'])} ({span(row['auc'])})" for name, row in table.items()}
    says = (
        f"A classifier trained on real films has AUC {auc['real']}, on made films {auc['synthetic']}, on both {auc['both']}; "
        f"with shuffled labels {auc['shuffled labels']}."
    )
    change = f"Adding made films changes the AUC by {gain['value']:+.3f} ({gain['interval'][0]:+.3f} to {gain['interval'][1]:+.3f})."
    if gain["interval"][0] > 0:
        return "Are they of use?", f"Yes: they help. {says} {change}", "good"
    word, tone = ("No: they harm.", "bad") if gain["interval"][1] < 0 else ("Not shown.", "mixed")
    return "Are they of use?", f"{word} {says} {change}", tone


def limits(report: dict[str, Any]) -> list[str]:
    """What a reader must know before believing any of it."""
    about = report["about"]
    films, compared = about["films"], about["compared"]
    tests = sum("p" in entry for entry in report.values() if isinstance(entry, dict))
    says = [
        f'"Cannot be told apart" means by {compared} made and {films["held_out"]} held-out films and these measures; more films may tell.',
        f"{tests} tests at 5 %: where nothing is wrong, one in twenty still raises its voice, and an answer above rests on up to five of them.",
        f"The features ({about['features']}) were learnt elsewhere and look at 224 to 299 pixels; only the texture measures see what is finer.",
        "The films are not for diagnosis. Nothing here says that a finding in them is medically right.",
        "No sign of copies is no proof: a copy that is turned, mirrored or cut out of a film is not looked for.",
        "Every film counts as a patient of its own: where patients have several films, intervals are too narrow and p too small.",
    ]
    if compared < FEW or films["held_out"] < FEW:
        says.append(f"FID of {compared} films is mostly bias, its covariance rank-deficient: compare it with its floor only, and trust KID.")
    if about["projected"] and not about["features"].startswith("chest"):
        says.append(
            "The discriminator was lent what a network knows that has learnt from the same photographs as the one that judges here (projected=true): "
            "KID, FID, precision, recall, density, coverage and Vendi may flatter these films; the texture measures cannot."
        )
    kid = report["kid"]
    if about["seen"] and kid["floor_p"] <= LEVEL:
        says.append(
            f"The training films themselves can be told from the held-out ones (KID {figure(kid, kid['floor'])}, p {kid['floor_p']:.3f}): where "
            "these come from elsewhere or were stored in another way, every floor, the search for copies and membership measure that too."
        )
    alike = report.get("copies", {}).get("twins", [])
    if alike:
        says.append(
            f"{len(alike)} held-out films lie so near to a training film that they may be of its patient (the first: {alike[0]}). They draw the line "
            "that copies are measured by, and with such a line copies pass: leave them out."
        )
    if about.get("init"):
        says.append(f"The run began with the networks of {about['init']}: films that those have seen, and this run has not, are not looked for.")
    small = {name: count for name, count in about["smaller_than_resolution"].items() if count and name != "made"}
    if small:
        called = {"held_out": "held-out", "training": "training" if about["seen"] else "other held-out"}
        which = ", ".join(f"{count} of {films[name]} {called[name]} films" for name, count in small.items())
        says.append(f"{which} are smaller than {about['resolution']} pixels and were enlarged: at the finest scales nothing real is compared.")
    if about["left_out"]:
        says.append(f"{len(about['left_out'])} films could not be used, the first: {about['left_out'][0]}")
    return says
