"""A report that can be sent (`--hide-real`): no real film is named in it, and no folder but the one that is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .evaluation import Evidence
from .pretrained import is_pretrained


def nameless(report: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    """What of a report names real films or says where they lie, without that: names of films are often names of patients."""
    about = report["about"]
    places = {"source": Path(about["source"]).name, "real": "held-out films", "train": "training films" if about["train"] else ""}
    places |= {name: about[name] for name in places if about[name].startswith("phantom:")}
    hidden = {"about": about | places | {"command": [], "init": about["init"] and (about["init"] if is_pretrained(about["init"]) else "another run"),
              "left_out": ["not named here (--hide-real)."] * len(about["left_out"])}}  # fmt: skip
    if "usefulness" in report:
        hidden["usefulness"] = report["usefulness"] | {"other": "films of the other class"}
    if "copies" in report:
        found = report["copies"]
        learnt = {item.name: f"training film {i + 1}" for i, item in enumerate(evidence.training.items)}
        held = {item.name: f"held-out film {i + 1}" for i, item in enumerate(evidence.held_out.items)}
        hidden["copies"] = found | {
            "twins": [held[name] for name in found["twins"]],
            "pairs": [pair | {"training": learnt[pair["training"]]} for pair in found["pairs"]],
            "nearest_held_out": [pair | {"film": held[pair["film"]], "training": learnt[pair["training"]]} for pair in found["nearest_held_out"]],
        }
    return hidden
