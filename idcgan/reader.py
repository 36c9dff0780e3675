"""Make a reader study: real and synthetic films in random order, blind, in one page that needs no network.

The paper's related work (Bhagat and Bhaumik 2019) showed a radiologist 128 films, 64 real and 64 synthetic. Whatever
tells the two apart without a look at the picture is taken away here: all films are brought to one side, which is never
above the smallest film's, so that none is blown up; all are packed by one encoder as 8-bit grey PNGs without text and
filled up to one length; their names are their places in an order drawn at random. What stays is the picture, with
whatever its history left in it: real films that were JPEGs keep the blocks of JPEG.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from . import phantom
from .checkpoint import atomically, write_json
from .errors import InputError
from .films import SQUARES, find_films, read_film, resize, to_square
from .loader import class_in
from .records import code_version
from .sampling import Source, load_generator, picture

FORMAT = "idcgan reader study 1"
KINDS = ("real", "synthetic")
SIDES = (16, 2048)
MOST = 999  # films of a kind; the page holds all of them


@dataclass(frozen=True)
class _Film:
    """One film to be shown: `load(side)` gives it as (side, side) in [0, 1]; it has `side` pixels and no more to give."""

    kind: str
    name: str
    side: int
    load: Callable[[int], np.ndarray]


def make_study(source: str | Path | Source, real: str | Path, out: str | Path, count: int = 64, seed: int = 0, side: int = 512,
               label_class: str = "", square: str = "crop", device: str = "auto", progress: bool = True) -> Path:  # fmt: skip
    """Write `out`/study.html, the page for the readers, and `out`/key.json, the truth, which stays with whoever asks. Returns `out`.

    source: a run folder or a generator-*.safetensors file, whose films 0 .. count - 1 of `seed` are drawn, or a folder of
    synthetic films. real: a folder of films, or phantom:normal / phantom:abnormal. From folders `count` (1 to 999) films
    are drawn at random; label_class (left out: the run's) is their subfolder where there is one. side: 16 to 2048 pixels,
    lowered to the smallest film's. The same films and seed give the same study. Raises InputError, and WorkError where
    the disk refuses.
    """
    out = Path(out)
    _check_options(out, count, seed, side, square)
    source = _opened(source, device)
    label_class = _same_class(source, label_class)
    synthetic, facts = _synthetic_films(source, label_class, count, seed, square)
    films = [*_real_films(real, label_class, count, seed, square), *synthetic]
    side = min(side, *(film.side for film in films))
    pictures = [_encoded(film.load(side)) for film in tqdm(films, disable=not progress, unit="film", desc=f"{side} x {side}")]
    digest = hashlib.sha256(f"{FORMAT} {seed}".encode() + b"".join(hashlib.sha256(p).digest() for p in pictures)).digest()
    order = shuffled(len(films), digest)
    study, films = hashlib.sha256(digest).hexdigest()[:12], [films[i] for i in order]  # the id does not give the order away
    patients = not str(real).startswith("phantom:")
    pictures = _same_length([pictures[i] for i in order], digest)
    names = [f"film-{number:03d}" for number in range(1, len(films) + 1)]
    page = _page(study, names, pictures, [film.kind for film in films], side, patients)
    key = {"format": FORMAT, "study": study, "seed": seed, "count": count, "side": side, "square": square, "label_class": label_class,
           "source": facts, "real": str(real), "patients": patients, "code_version": code_version(),
           "films": {name: {"kind": film.kind, "from": film.name} for name, film in zip(names, films, strict=True)}}  # fmt: skip
    _write(out, page, key)
    return out


def shuffled(count: int, digest: bytes) -> list[int]:
    """0 .. count - 1 in an order drawn from 32 bytes that depend on every film: no study's order tells another's."""
    return np.random.default_rng(list(digest)).permutation(count).tolist()


def masked(kinds: list[str], study: str) -> str:
    """The truth for the page's own result, as hexadecimal digits that say nothing at a glance: a bit per film, mixed with
    Marsaglia's xorshift (2003) from the study's id. It keeps honest readers blind; whoever reads the page's code can undo it."""
    state, bits = int(study[:8], 16) | 1, ""
    for kind in kinds:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        bits += str((state >> 31) ^ KINDS.index(kind))
    bits += "0" * (-len(bits) % 4)
    return "".join(f"{int(bits[i : i + 4], 2):x}" for i in range(0, len(bits), 4))


def _check_options(out: Path, count: int, seed: int, side: int, square: str) -> None:
    if not 1 <= count <= MOST:
        raise InputError(f"the number of films of each kind is {count}; give 1 to {MOST}.")
    if not 0 <= seed < 2**31:
        raise InputError(f"seed is {seed}; it must lie between 0 and {2**31 - 1}.")
    if not SIDES[0] <= side <= SIDES[1]:
        raise InputError(f"side is {side}; give {SIDES[0]} to {SIDES[1]} pixels.")
    if square not in SQUARES:
        raise InputError(f"square is {square!r}; use one of {', '.join(SQUARES)}.")
    if (out / "key.json").exists() or (out / "study.html").exists():
        raise InputError(f"{out} already holds a study; choose another --out.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must name a folder.")
    others = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.exists() else []
    if others:
        raise InputError(f"{out} is not empty ({others[0]} is in it); choose another --out.")


def _opened(source: str | Path | Source, device: str) -> Source | Path:
    """A generator, or the folder of films that `source` is if it holds no run."""
    if isinstance(source, Source):
        return source
    path = Path(source)
    is_run = (path / "run.json").exists() or any(path.glob("generator-*.safetensors"))
    return path if path.is_dir() and not is_run else load_generator(path, device=device)


def _same_class(source: Source | Path, label_class: str) -> str:
    """The class of both kinds of films: readers of normal synthetic films among abnormal real ones would tell by the findings."""
    trained = json.loads(source.facts["config"]).get("label_class", "") if isinstance(source, Source) else ""
    if label_class and trained and label_class != trained:
        raise InputError(f"{source.path} was trained on films of class {trained!r}, and the class asked for is {label_class!r}; leave it out.")
    return label_class or trained


def _synthetic_films(source: Source | Path, label_class: str, count: int, seed: int, square: str) -> tuple[list[_Film], dict[str, Any]]:
    """The films and, for the key, where they are from."""
    if isinstance(source, Path):
        return _drawn("synthetic", source, label_class, count, seed, square), {"folder": str(source)}

    def load(index: int, side: int) -> np.ndarray:
        film = picture(source, seed, index)
        grey = film[0] if len(film) == 1 else np.asarray(Image.fromarray(film.transpose(1, 2, 0)).convert("L"))
        return resize(grey / np.float32(255), side)

    films = [_Film("synthetic", f"{index}", source.resolution, lambda side, i=index: load(i, side)) for index in range(count)]
    facts = {name: source.facts[name] for name in ("run", "config_hash", "code_version") if name in source.facts}
    return films, {"generator": str(source.path), "resolution": source.resolution, **facts}


def _real_films(real: str | Path, label_class: str, count: int, seed: int, square: str) -> list[_Film]:
    if not str(real).startswith("phantom:"):
        return _drawn("real", Path(real), label_class, count, seed, square)
    kind = str(real).removeprefix("phantom:")
    if kind not in phantom.LABEL_CLASSES or label_class not in ("", kind):
        raise InputError(f"real is {str(real)!r} and the class {label_class or 'left out'}; give phantom:normal or phantom:abnormal and no class.")
    seeds = np.random.SeedSequence([seed, len("study")]).generate_state(count)  # others than the phantoms that runs are trained on
    return [_Film("real", f"{real} {own}", SIDES[1], lambda side, own=own: phantom.film(own, kind, side)[0]) for own in map(int, seeds)]


def _drawn(kind: str, folder: Path, label_class: str, count: int, seed: int, square: str) -> list[_Film]:
    """`count` films of a folder, at random, in the order of their names."""
    paths = [path for path in find_films(folder, class_in(folder, label_class)) if path.name != "contact-sheet.png"]  # written beside samples
    if len(paths) < count:
        raise InputError(f"{folder} holds {len(paths)} {kind} film(s) and the study asks for {count}; add films, or ask for fewer with -n.")
    chosen = np.random.default_rng([seed, KINDS.index(kind)]).choice(len(paths), count, replace=False)

    def load(path: Path, side: int) -> np.ndarray:
        return resize(to_square(read_film(path), square), side)

    films = []
    for path in (paths[i] for i in sorted(chosen.tolist())):
        if kind == "real" and _says_synthetic(path):
            raise InputError(f"{path} says of itself that it is synthetic; take it out of the real films.")
        films.append(_Film(kind, str(path.relative_to(folder)), len(to_square(read_film(path), square)), lambda side, p=path: load(p, side)))
    return films


def _says_synthetic(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return getattr(image, "text", {}).get("idcgan:synthetic") == "true"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # DICOM, or damaged, which read_film says in a sentence


def _encoded(film: np.ndarray) -> bytes:
    """(side, side) in [0, 1] -> an 8-bit grey PNG of nothing but pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(film * 255).astype(np.uint8)).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _same_length(pictures: list[bytes], digest: bytes) -> list[bytes]:
    """Smooth films pack smaller, and generated ones are smooth: noise after a PNG's end, which no decoder reads, hides it."""
    longest, noise = max(map(len, pictures)), np.random.default_rng([1, *digest])
    return [picture + noise.bytes(longest - len(picture)) for picture in pictures]


def _page(study: str, names: list[str], pictures: list[bytes], kinds: list[str], side: int, patients: bool) -> str:
    films = [{"id": name, "png": "data:image/png;base64," + base64.b64encode(p).decode()} for name, p in zip(names, pictures, strict=True)]
    content = {"id": study, "side": side, "patients": patients, "truth": masked(kinds, study), "films": films}
    template = resources.files("idcgan").joinpath("reader.html").read_text(encoding="utf-8")
    return template.replace("{{STUDY}}", json.dumps(content))


def _write(out: Path, page: str, key: dict[str, Any]) -> None:
    """Both files or none, and no new folder for none."""
    fresh = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}; choose another --out.") from error
    try:
        atomically(out / "study.html", lambda p: p.write_text(page, encoding="utf-8"))
        write_json(out / "key.json", key)
    except BaseException:
        (out / "study.html").unlink(missing_ok=True)
        if fresh:
            out.rmdir()
        raise
