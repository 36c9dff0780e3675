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
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from .checkpoint import atomically, write_json
from .errors import InputError
from .films import SQUARES
from .reader_films import KINDS, SIDES, ReaderFilm, open_source, real_films, same_class, same_square, synthetic_films
from .records import code_version
from .sampling import Source

FORMAT = "idcgan reader study 1"
MOST = 999  # films of a kind; the page holds all of them


def make_study(source: str | Path | Source, real: str | Path, out: str | Path, count: int = 64, seed: int = 0, side: int = 512,
               label_class: str = "", square: str = "", device: str = "auto", progress: bool = True) -> Path:  # fmt: skip
    """Write `out`/study.html, the page for the readers, and `out`/key.json, the truth, which stays with whoever asks. Returns `out`.

    source: a run folder or a generator-*.safetensors file, whose films 0 .. count - 1 of `seed` are drawn, or a folder of
    synthetic films. real: a folder of films, or phantom:normal / phantom:abnormal. From folders `count` (1 to 999) films
    are drawn at random; label_class (left out: the run's) is their subfolder where there is one, in any case of letters.
    side: 16 to 2048 pixels, lowered to the smallest film's. square: crop or pad, left out: as the run's films were made
    square, or crop. The same films and seed give the same study. Raises InputError, and WorkError where the disk refuses.
    """
    out = Path(out)
    _check_options(out, count, seed, side, square)
    source = open_source(source, device)
    label_class, square = same_class(source, label_class), same_square(source, square)
    synthetic, facts = synthetic_films(source, label_class, count, seed, square)
    films = [*real_films(real, label_class, count, seed, square), *synthetic]
    side = min(side, *(film.side for film in films))
    pictures = [_encoded(film.load(side)) for film in tqdm(films, disable=not progress, unit="film", desc=f"{side} x {side}")]
    _check_apart(films, pictures)
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
    if square not in ("", *SQUARES):
        raise InputError(f"square is {square!r}; use one of {', '.join(SQUARES)}.")
    if (out / "key.json").exists() or (out / "study.html").exists():
        raise InputError(f"{out} already holds a study; choose another --out.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out must name a folder.")
    others = sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) if out.exists() else []
    if others:
        raise InputError(f"{out} is not empty ({others[0]} is in it); choose another --out.")


def _check_apart(films: list[ReaderFilm], pictures: list[bytes]) -> None:
    """The same picture on both sides has no right answer: one folder given twice, most likely."""
    real = {picture: film.name for film, picture in zip(films, pictures, strict=True) if film.kind == "real"}
    for film, picture in zip(films, pictures, strict=True):
        if film.kind == "synthetic" and picture in real:
            raise InputError(f"{real[picture]} of the real films and {film.name} of the synthetic ones are one and the same; take it out of either.")


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
