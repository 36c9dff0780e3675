"""Sets of films for the evaluation: real ones, made ones, and the spoilt ones that show what a bad figure looks like.

A set is a list of items; each can be drawn when it is needed, at the resolution of the comparison, and is described once
(`collect`). Descriptions are kept on disk under a hash of what they depend on, so that a second evaluation takes seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from .checkpoint import atomically
from .description import VERSION, Description, describe, stack, take
from .errors import InputError
from .features import FeatureNetwork
from .films import READING
from .intake import Planes, candidates, cores, identified, prepare
from .pyramid import Pyramid
from .sampling import Source, picture

LEAST = 8  # films of a set
UNREAD = "unread "  # what the key of a file begins with that could not be hashed
MOST_AT_ONCE = 8  # films in memory on any number of cores: one of 2048 x 2048 that a generator makes takes some 0.4 GB


@dataclass(frozen=True)
class Item:
    """One film: a name for people, a key that changes with its pixels, and the pixels on demand."""

    name: str
    key: str
    draw: Callable[[], Planes | str]  # one plane, uint8 (r, r), and the side it had; or the sentence that says why not

    def film(self) -> np.ndarray:
        """uint8 (r, r), of an item that is known to be usable."""
        return self.draw().planes[0]


@dataclass(frozen=True)
class FilmSet:
    """Films with their descriptions stacked, in the same order; `left_out` are sentences."""

    title: str
    items: list[Item]
    films: Description
    left_out: list[str]

    def __len__(self) -> int:
        return len(self.items)

    def at(self, places: Iterable[int]) -> FilmSet:
        """Those at the given places."""
        index = np.array(list(places), int)
        return FilmSet(self.title, [self.items[i] for i in index], take(self.films, index), self.left_out)

    def first(self, count: int) -> FilmSet:
        """The first `count` of them."""
        return self.at(range(min(count, len(self))))


def real_items(source: str | Path, label_class: str | None, resolution: int, square: str = "crop", alike: bool = False, drawn: int = 0) -> list[Item]:
    """The films of a folder, a pyramid or "phantom:normal:COUNT:SEED", in the order of their hashes.

    Which come first then hangs on nothing but chance, and the first n are as good as n drawn at random. Of files that are the same to the byte
    one is taken, or all where they may be `alike`: in a folder of made films they are what a collapse looks like. Phantoms are drawn at `drawn` (0:
    `resolution`). Raises InputError.
    """
    if not str(source).startswith("phantom:") and (Path(source).expanduser() / "manifest.json").is_file():
        items = _pyramid_items(Pyramid.open(Path(source).expanduser()), resolution)
    else:
        films, _ = candidates(source, label_class, drawn or resolution)
        films, gone = identified(films, cores(), progress=False, alike=alike)
        unread = [entry for entry in gone if entry["sha256"] is None]  # each says why, where the others are looked at
        items = [Item(entry["source"], f"{UNREAD}{entry['source']}", lambda entry=entry: entry["reason"]) for entry in unread]
        items += [Item(film.source, f"{film.sha256} {square} {resolution}", lambda film=film: prepare(film, [resolution], square)) for film in films]
    return _by_chance(items)


def _by_chance(items: list[Item]) -> list[Item]:
    """In the order of hashes of their keys, where films that are alike are not one behind the other: the first n would be few of them, repeated."""
    met: Counter[str] = Counter()
    order = []
    for item in items:
        again = met[item.key]
        met[item.key] += 1
        order.append((hashlib.sha256(f"{item.key} {again}".encode() if again else item.key.encode()).digest(), len(order), item))
    return [item for *_, item in sorted(order, key=lambda entry: entry[:2])]


def _pyramid_items(pyramid: Pyramid, resolution: int) -> list[Item]:
    level = pyramid.level(resolution)
    otherwise = "" if (was := pyramid.options.get("reading", 1)) == READING else f" reading {was}"
    return [
        Item(
            film["source"],
            f"{film['sha256']} {pyramid.square} {resolution}{otherwise}",
            lambda i=i, side=film["side"]: Planes(side, side, side, [np.array(level[i, 0])]),
        )
        for i, film in enumerate(pyramid.films)
    ]


def _as_drawn(film: np.ndarray) -> Planes:
    return Planes(len(film), len(film), len(film), [film])


def generated_items(source: Source, count: int, seed: int) -> list[Item]:
    """`count` films of a generator, those that `idcgan sample` writes for the same seed; colour becomes grey."""
    weights = source.fingerprint
    weights += f" x {source.spread:g}" if source.spread != 1 else ""

    def draw(index: int) -> Planes:
        return _as_drawn(np.rint(picture(source, seed, index).mean(0)).astype(np.uint8))

    return [Item(f"film-{i:06d}", f"{weights} {seed} {i}", lambda i=i: draw(i)) for i in range(count)]


def changed_items(items: list[Item], name: str, change: Callable[[np.ndarray], np.ndarray]) -> list[Item]:
    """The films with `change`, uint8 (r, r) to uint8 (r, r), applied to each; `name` tells the change from all others."""

    def draw(item: Item) -> Planes | str:
        found = item.draw()
        return found if isinstance(found, str) else found._replace(planes=[change(found.planes[0])])

    return [Item(f"{item.name}, {name}", f"{item.key} {name}", lambda item=item: draw(item)) for item in items]


def blurred(film: np.ndarray, fold: int = 4) -> np.ndarray:
    """A film (r, r) without what is finer than `fold` pixels: a Gaussian, for reducing and enlarging would leave a grid."""
    from scipy.ndimage import gaussian_filter

    return np.rint(gaussian_filter(film.astype(np.float32), fold / 2)).astype(np.uint8)


def noise_items(count: int, resolution: int, seed: int) -> list[Item]:
    """Even noise: every pixel any grey level."""

    def draw(index: int) -> Planes:
        return _as_drawn(np.random.default_rng([seed, index]).integers(0, 256, (resolution, resolution), np.uint8))

    return [Item(f"noise {i}", f"noise {seed} {i} {resolution}", lambda i=i: draw(i)) for i in range(count)]


def collect(title: str, items: list[Item], network: FeatureNetwork, cache: Path | None = None, progress: bool = True) -> FilmSet:
    """Draw and describe every film; a few are in memory at a time. Raises InputError where fewer than LEAST can be used."""
    kept, described, left_out = [], [], []
    bar = tqdm(items, desc=title, unit="film", leave=False, disable=not progress)
    for item, look in zip(bar, _ahead(items, network, cache), strict=True):
        if isinstance(look, str):
            left_out.append(look)
        else:
            kept.append(item)
            described.append(look)
    if len(kept) < LEAST:
        reason = f"; the first left out: {left_out[0]}" if left_out else "."
        raise InputError(f"{title}: {len(kept)} films can be used, and a comparison needs {LEAST}{reason}")
    return FilmSet(title, kept, stack(described), left_out)


def _ahead(items: list[Item], network: FeatureNetwork, cache: Path | None) -> Iterator[Description | str]:
    """`_look` at each in order, one thread per core, no more than two films per thread begun and not yet asked for."""
    threads = min(cores(), MOST_AT_ONCE)
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(_look, item, network, cache))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for job in waiting:
                job.cancel()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Several films at once with one thread each, not one film with several: faster, and the same figures on any number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _look(item: Item, network: FeatureNetwork, cache: Path | None) -> Description | str:
    key = hashlib.sha256(f"{VERSION} {network.name} {item.key}".encode()).hexdigest()
    path = cache / f"{key[:32]}-{READING}.npz" if cache else None
    known = _read(path) if path else None
    if known is not None:
        return known
    drawn = item.draw()
    if isinstance(drawn, str):
        return drawn
    found = describe(drawn.planes[0], network, int(key[:8], 16), drawn.side)
    if path:
        atomically(path, lambda p: _write(p, found))
    return found


def _write(path: Path, description: Description) -> None:
    with open(path, "wb") as file:
        np.savez(file, **vars(description))


def _read(path: Path) -> Description | None:
    """None where nothing is kept, or what is kept cannot be read: it is then made again."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return Description(**{name: kept[name] for name in kept.files})
    except (OSError, ValueError, TypeError, EOFError, KeyError, zipfile.BadZipFile):
        return None
