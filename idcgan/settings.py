"""How an evaluation is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LEVEL = 0.05  # of every test: at or below it, films are told from real ones


@dataclass(frozen=True)
class Settings:
    """How an evaluation is made. `draws`: shuffles per test; `cache`: where descriptions are kept, None for nowhere.

    `spread`: as in `load_generator`.
    """

    label_class: str = ""
    count: int = 200
    seed: int = 0
    resolution: int = 0
    features: str = "efficientnet-lite0"
    draws: int = 199
    device: str = "auto"
    cache: Path | None = None
    progress: bool = True
    spread: float = 1.0
