"""Films out: from a run or a generator file to PNGs, each with its provenance in it."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors import SafetensorError, safe_open
from tqdm.auto import tqdm

from . import machine, tuning
from .building import build_generator
from .checkpoint import atomically
from .config import RunConfig
from .errors import InputError, WorkError
from .films import CONTACT_SHEET, SYNTHETIC
from .networks import Generator
from .pretrained import is_pretrained, weights_of
from .records import grid, to_bytes

SHEET_FILMS = 36  # on the contact sheet
FARTHEST = 4.0  # latents are not drawn farther out than this many times what training drew
SPREAD = "idcgan:spread"  # text chunk of films whose latents are not those of training
NOTICE = "made by a neural network; not a patient's film; not for diagnosis"


@dataclass(frozen=True)
class Source:
    """A generator in eval mode and where it comes from."""

    generator: Generator
    path: Path
    facts: dict[str, str]  # the safetensors metadata: run, config_hash, code_version, batch_norm, ...
    spread: float = 1.0  # how far out its latents are drawn, as a multiple of what it was trained with

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of its weights file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def resolution(self) -> int:
        """Pixels per side of its films."""
        return self.generator.levels[-1]


def load_generator(source: str | Path, resolution: int | None = None, device: str = "cpu", spread: float = 1.0) -> Source:
    """From a run folder (its highest finished level, or the one asked for), a generator-*.safetensors file, or "pretrained:NAME".

    `spread` multiplies its latents: above 1 likeness is given up for variety, below 1 the reverse (Brock et al. 2019, section 3.1,
    cut them off instead). Raises InputError where there is none, WorkError where the file is damaged.
    """
    if not 0.0 < spread <= FARTHEST:
        raise InputError(f"spread is {spread}; it must lie above 0 and be {FARTHEST:g} at most (1: latents as in training).")
    path = weights_of(source) if is_pretrained(source) else _weights_file(Path(source).expanduser(), resolution)
    try:
        with safe_open(str(path), "pt") as file:
            facts = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict: it has no items)
    except (SafetensorError, OSError) as error:
        raise WorkError(f"{path} is damaged and cannot be read; train that level again, or restore the file from a copy.") from error
    if not facts.get("format", "").startswith("idcgan generator"):
        raise InputError(
            f"{path} is a safetensors file, but not one of an idcgan generator; give a run folder or a generator-*.safetensors of one."
        )
    config = RunConfig.from_dict(json.loads(facts["config"]))
    generator = build_generator(config, config.resolutions.index(int(facts["resolution"])))
    try:
        generator.load_state_dict(weights)
    except RuntimeError as error:
        raise WorkError(f"{path} does not hold the generator that its metadata names; restore the file from a copy.") from error
    if resolution and generator.levels[-1] != resolution:
        raise InputError(
            f"{path} makes films at {generator.levels[-1]}, not at {resolution}; give the run folder or the file of that level."
        )
    where = machine.choose_device(device)
    generator = generator.to(device=where, memory_format=tuning.memory_format(where)).eval().requires_grad_(False)
    return Source(generator, path, facts, spread)


def _weights_file(source: Path, resolution: int | None) -> Path:
    if source.is_file():
        if source.suffix != ".safetensors":
            raise InputError(f"{source} is no generator; give the run folder, or a generator-*.safetensors of it.")
        return source
    files = {int(p.stem.split("-")[1]): p for p in sorted(source.glob("generator-*.safetensors")) if p.stem.split("-")[1].isdecimal()}
    if not files:
        what = "is not there" if not source.exists() else "holds no generator yet (one is written at the end of each level)"
        raise InputError(f"{source} {what}; give a run folder, a generator-*.safetensors file, or pretrained:normal.")
    if resolution and resolution not in files:
        raise InputError(f"{source} has no generator at {resolution}; it has {', '.join(map(str, files))}.")
    return files[resolution or max(files)]


def latent(seed: int, index: int, latent_dim: int) -> torch.Tensor:
    """(latent_dim,) for film `index` of `seed`: a function of these alone, so film i is the same in any batch and any order."""
    digest = hashlib.sha256(f"idcgan latent {seed} {index}".encode()).digest()
    return torch.randn(latent_dim, generator=torch.Generator().manual_seed(int.from_bytes(digest[:7], "big")))


@torch.no_grad()
def picture(source: Source, seed: int, index: int) -> np.ndarray:
    """Film `index`, uint8 (c, r, r). One film at a time: a batch of another size may round another way."""
    z = source.spread * latent(seed, index, source.generator.latent_dim)
    device = next(source.generator.parameters()).device
    return to_bytes(source.generator(z[None].to(device)))[0]


def sample(source: str | Path | Source, count: int, out: str | Path, seed: int = 0, resolution: int | None = None,
           device: str = "auto", progress: bool = True, spread: float = 1.0) -> list[Path]:  # fmt: skip
    """Write `count` films as 8-bit PNGs film-000000.png .. into `out`, and a contact sheet of the first 36. Returns the films' paths.

    Memory stays that of a few films. Films already there from the same generator and seed are kept, so that an
    interrupted call goes on; others are never overwritten. Raises InputError.
    """
    if count < 1:
        raise InputError(f"the number of films is {count}; give 1 or more.")
    if not 0 <= seed < 2**31:
        raise InputError(f"seed is {seed}; it must lie between 0 and {2**31 - 1}.")
    tuning.keep_memory()
    if isinstance(source, Source):
        _refuse_contradiction(source, resolution, spread)
    else:
        source = load_generator(source, resolution, device, spread)
    out, identity = Path(out).expanduser(), provenance(source, seed)
    paths = [out / f"film-{index:06d}.png" for index in range(count)]
    there = {path for path in paths if path.exists()}
    _refuse_others(out, there, identity)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; choose another --out.") from error
    first: list[np.ndarray] = []
    with ThreadPoolExecutor(1) as pool:  # a PNG is packed while the network draws the next film
        packing: deque[Future] = deque()
        for index, path in enumerate(tqdm(paths, disable=not progress, unit="film", desc=f"{source.resolution} x {source.resolution}")):
            if path in there and index >= SHEET_FILMS:
                continue
            film = picture(source, seed, index)
            if index < SHEET_FILMS:
                first.append(_reduced(film))
            if path not in there:
                packing.append(pool.submit(save_film, path, film, {**identity, "idcgan:index": str(index)}))
            while len(packing) > 4:  # so that memory stays that of a few films however fast the network is
                packing.popleft().result()
        for job in packing:
            job.result()
    save_png(out / CONTACT_SHEET, grid(np.stack(first)), identity)
    return paths


def _refuse_contradiction(source: Source, resolution: int | None, spread: float) -> None:
    if resolution not in (None, source.resolution):
        raise InputError(f"resolution is {resolution}, and the generator given makes films at {source.resolution}; leave it out, or load that level.")
    if spread not in (1.0, source.spread):  # 1: left out
        raise InputError(f"spread is {spread}, and the generator given was loaded with {source.spread}; leave it out, or load it with that spread.")


def provenance(source: Source, seed: int) -> dict[str, str]:
    """What every film says of itself, as PNG text chunks."""
    names = {"run": "run", "config_hash": "config", "code_version": "code", "batch_norm": "batch-norm"}
    facts = {f"idcgan:{key}": source.facts.get(name, "unknown") for name, key in names.items()}
    if source.spread != 1:
        facts[SPREAD] = f"{source.spread:g}"
    if "init" in source.facts:
        facts["idcgan:init"] = source.facts["init"]
    if "by_hand" in source.facts:
        facts["idcgan:by-hand"] = "the run was steered by hand; its config alone does not make this film again"
    return {"Software": "idcgan", "Comment": f"synthetic: {NOTICE}", SYNTHETIC: "true", **facts,
            "idcgan:weights": source.fingerprint[:16],
            "idcgan:resolution": str(source.resolution), "idcgan:seed": str(seed)}  # fmt: skip


def save_film(path: Path, film: np.ndarray, texts: dict[str, str]) -> None:
    """One film, uint8 (c, r, r), as PNG with text chunks; whole or absent. Raises WorkError."""
    save_png(path, film[0] if len(film) == 1 else film.transpose(1, 2, 0), texts)


def save_png(path: Path, pixels: np.ndarray, texts: dict[str, str]) -> None:
    """uint8 (h, w) or (h, w, 3), atomically."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    # level 1 packs four times as fast as the default for a few per cent more bytes
    atomically(path, lambda p: Image.fromarray(pixels).save(p, "PNG", pnginfo=info, compress_level=1))


def _refuse_others(out: Path, there: set[Path], identity: dict[str, str]) -> None:
    """What is in the folder already must be the beginning of these very films."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must name a folder.")
    for path in sorted({*there, *out.glob(CONTACT_SHEET)}):
        try:
            with Image.open(path) as picture:  # its texts lie before the pixels, which need not be unpacked
                texts = picture.info
        except (OSError, SyntaxError):
            texts = {}
        if any(texts.get(key) != identity.get(key) for key in (*identity, SPREAD)):
            raise InputError(f"{path} is there already and comes from elsewhere; choose another --out.")


def _reduced(film: np.ndarray, side: int = 512) -> np.ndarray:
    if film.shape[-1] <= side:
        return film
    return np.stack([np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.LANCZOS)) for plane in film])
