"""Read one film: PNG, JPEG, TIFF or DICOM in, grey levels in [0, 1] out, bright = dense (bone is white).

The paper leaves open how films are made square and how their grey levels are scaled (section 4). The rules are here:

- 8-bit grey levels are divided by 255. Colour becomes luminance, transparency is laid over black; colour of 16 bits is refused.
- 16-bit files rarely say how many bits the detector had. The full range is the smallest of 8, 10, 12, 14 and 16 bits
  that holds the film's highest value: 12-bit films in a 16-bit file are not shown four stops too dark.
- Floating point in [0, 1] stays as it is, counts from 2 to 65535 follow the 16-bit rule, anything else (negative
  values, larger counts, values a little above 1) is stretched from its lowest to its highest value.
- DICOM: rescale or modality table, then the first window; without a window the VOI table; without both the range that
  BitsStored or the modality table allows (16 and more bits: the 16-bit rule; negative values: lowest to highest). MONOCHROME1 is inverted.
- Squares: `crop` keeps the middle, as wide as the shorter side; `pad` fills up to the longer side with the darkest value of the film's border.
- Where a file holds several pages or frames, the first is the film. Colour profiles and gamma are ignored.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from idcgan.errors import InputError
from idcgan.fields import CHOICES

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom")
SQUARES = CHOICES["square"]
READING = 3  # raise it when the same file is read as other grey levels: pyramids and descriptions of the old ones are then made again
PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*")  # how PNG, JPEG and TIFF files begin
CONTACT_SHEET = "contact-sheet.png"  # the overview that `idcgan sample` lays beside its films is no film
SYNTHETIC = "idcgan:synthetic"  # text chunk of films that a generator of this project made
CLASSES = ("normal", "abnormal", "pneumonia")  # folder names that are taken for classes, in any case of letters
SMALLEST_SIDE = 16  # pixels
MOST_PIXELS = 400_000_000  # 20,000 x 20,000: ten times the largest detector, and 1.6 GB as float32
_PILLOW_GUARD = threading.Lock()
_REPLACE = "export the film again or take it out of the folder"


def read_film(path: str | Path) -> np.ndarray:
    """One film as a float32 array (height, width) in [0, 1], bright = dense; the first page or frame of several.

    EXIF orientation is followed. The format is told by the contents, not by the name.
    Raises InputError, one sentence with the file's name, for whatever cannot be read or is no film:
    missing, empty, truncated, another format, a side under 16 pixels, over 400 million pixels, NaN, one grey level.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(132)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}): check name and rights.") from error
    if not head:
        raise refuse(path, "is empty (0 bytes)")
    is_dicom = _has_magic(head) or (path.suffix.lower() in (".dcm", ".dicom") and not head.startswith(PICTURES))  # old files lack the mark
    try:
        if is_dicom:
            from idcgan.dicom import read_dicom  # which needs this module

            film = read_dicom(path)
        else:
            film = _read_picture(path)
    except InputError:
        raise
    except MemoryError as error:
        raise refuse(path, "does not fit into memory") from error
    except Exception as error:  # decoders answer damaged bytes with any exception, from struct.error to KeyError
        raise refuse(path, f"is damaged ({_first_words(error)})") from error
    if not np.isfinite(film).all():
        raise refuse(path, "holds values that are no numbers (NaN or infinity)")
    if film.min() == film.max():
        raise refuse(path, "holds one grey level")
    return film


def is_synthetic(path: Path) -> bool:
    """Does this file say that a generator of this project made it? Only PNGs can; no pixel is decoded.

    The name of a text chunk is never compressed, and the chunk may lie before the pixels or, saved again elsewhere, behind them.
    """
    try:
        with open(path, "rb") as file:
            return (head := file.read(4)) == PICTURES[0] and SYNTHETIC.encode() in head + file.read()
    except OSError:
        return False  # which whoever reads it will say


def find_films(folder: str | Path, label_class: str | None = None) -> list[Path]:
    """The films below a folder, sorted; other files and hidden ones are passed over.

    A film is told by its suffix (SUFFIXES) or, without a known one, by the DICOM mark at byte 128.
    label_class: its subfolder if there is one, in any case of letters; else the films that lie directly in the folder are taken to be of it, unless
    there are other classes. Raises InputError where the folder or the class folder is missing or holds no film.
    """
    folder = Path(folder).expanduser()
    if folder.is_file():
        raise InputError(f"{folder} is a file: give the folder that holds the films.")
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}: check the name.")
    if label_class is None:
        films = _films_among(folder, folder.rglob("*"))
    else:
        inside = sorted(p for p in folder.iterdir() if p.is_dir())
        named = [p for p in inside if p.name.lower() == label_class.lower()]
        if named:
            return find_films(next((p for p in named if p.name == label_class), named[0]))
        films = _films_among(folder, folder.iterdir())
        if not films or classes_in(folder):
            names = ", ".join(p.name for p in inside) or "none"
            raise InputError(f"{folder} has no subfolder {label_class!r} (it has: {names}): rename one.")
    if not films:
        raise InputError(f"{folder} holds no film: put {', '.join(s[1:] for s in SUFFIXES)} files into it.")
    return films


def classes_in(folder: Path) -> list[str]:
    """The subfolders of a folder that are named like a class."""
    folder = folder.expanduser()
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name.lower() in CLASSES) if folder.is_dir() else []


def to_square(film: np.ndarray, square: str = "crop") -> np.ndarray:
    """(height, width) -> (side, side). crop: the centre, side = the shorter one. pad: side = the longer one.

    Padding takes the darkest value of the film's border: the collimated rim or the air beside the patient, whatever
    this film calls black, so that no brighter bar appears. An odd pixel goes to the bottom or right.
    Raises InputError for an unknown `square`.
    """
    height, width = film.shape
    if square == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return film[top : top + side, left : left + side]
    if square == "pad":
        side = max(height, width)
        border = min(film[0].min(), film[-1].min(), film[:, 0].min(), film[:, -1].min())
        out = np.full((side, side), border, film.dtype)
        top, left = (side - height) // 2, (side - width) // 2
        out[top : top + height, left : left + width] = film
        return out
    raise InputError(f"square is {square!r}: use one of {', '.join(SQUARES)}.")


def resize(film: np.ndarray, resolution: int) -> np.ndarray:
    """A square film (side, side) in [0, 1] -> float32 (resolution, resolution) in [0, 1], up or down.

    Lanczos whose support grows with the reduction: fine stripes turn grey instead of into moire. Overshoot is clipped.
    Raises InputError where the film is not square or the resolution not a positive whole number.
    """
    if film.ndim != 2 or film.shape[0] != film.shape[1]:
        raise InputError(f"A film of shape {film.shape} is not square: use to_square first.")
    if resolution < 1 or resolution != int(resolution):
        raise InputError(f"resolution is {resolution!r}: use a positive whole number.")
    image = Image.fromarray(np.ascontiguousarray(film, np.float32))
    small = image.resize((int(resolution), int(resolution)), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(small), 0.0, 1.0)


def refuse(path: Path, wrong: str) -> InputError:
    """What is wrong with a film, and what to do, as one sentence."""
    return InputError(f"{path} {wrong}: {_REPLACE}.")


def _first_words(error: Exception) -> str:
    """Decoders write paragraphs; one sentence has room for the first line."""
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return text[:120] or type(error).__name__


def _has_magic(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _films_among(folder: Path, paths) -> list[Path]:
    paths = list(paths)
    runs = {p.parent for p in paths if p.name == "run.json"}  # the sample grids of a run that lies among the films are not films
    return sorted(p for p in paths if _is_film(p, p.relative_to(folder)) and runs.isdisjoint(p.parents))


def _is_film(path: Path, relative: Path) -> bool:
    if any(part.startswith(".") for part in relative.parts) or not path.is_file():
        return False  # "._film.png" is what macOS leaves on foreign disks
    if path.name == CONTACT_SHEET:
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.name == "DICOMDIR":  # has the mark, but it is a table of contents
        return False
    try:
        with open(path, "rb") as file:
            return _has_magic(file.read(132))
    except OSError:
        return False


def check_size(path: Path, width: int, height: int) -> None:
    """Before any pixel is decoded: a small file can unpack to more memory than there is."""
    if width * height > MOST_PIXELS:
        most = f"{MOST_PIXELS // 1_000_000} million"
        raise InputError(f"{path} has {width} x {height} pixels, more than {most}: reduce the film first.")
    if min(width, height) < SMALLEST_SIDE:
        raise refuse(path, f"has {width} x {height} pixels, and the shorter side must have {SMALLEST_SIDE}")


def _open_picture(file: BinaryIO) -> Image.Image:
    """Image.open with this module's own size limit in place of Pillow's, which warns, and refuses at less."""
    with _PILLOW_GUARD:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=("PNG", "JPEG", "TIFF"))
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _read_picture(path: Path) -> np.ndarray:
    with open(path, "rb") as file:  # not its name: Pillow would map a TIFF, and scramble one that lies on its side
        try:
            image = _open_picture(file)
        except Image.UnidentifiedImageError as error:
            file.seek(0)
            known = file.read(4).startswith(PICTURES)
            wrong = "is a PNG, JPEG or TIFF that is damaged or of a kind that is not read" if known else "is not a PNG, JPEG, TIFF or DICOM file"
            raise refuse(path, wrong) from error
        check_size(path, *image.size)
        # Pillow turns WhiteIsZero (tag 262 = 0) round for 8 bits, not for deeper ones
        deep = image.mode.startswith("I") or image.mode == "F"
        bits = getattr(image, "tag_v2", {}).get(258, (8,))  # of a TIFF
        if not deep and (any(";16" in str(piece) for piece in image.tile) or max(bits) > 8):  # which Pillow would cut down to 8
            raise InputError(f"{path} has colour or transparency of 16 bits, which is not read: export the film again as 16-bit grey.")
        inverted = deep and getattr(image, "tag_v2", {}).get(262) == 0
        image = ImageOps.exif_transpose(image)
        film = _unit_range(np.asarray(image)) if deep else _luminance(image)
    return 1 - film if inverted else film


def _luminance(image: Image.Image) -> np.ndarray:
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    grey = image.getchannel("L") if image.mode == "LAB" else image.convert("L")
    return np.asarray(grey, np.float32) / np.float32(255)


def full_scale(highest: float) -> float:
    """The highest value that the smallest usual detector depth holding `highest` can store."""
    return next((2.0**bits - 1 for bits in (8, 10, 12, 14, 16) if highest < 2**bits), float(highest))


def _unit_range(values: np.ndarray) -> np.ndarray:
    """16-bit, 32-bit and floating-point grey levels -> float32 in [0, 1], by the rule at the top of this file."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return values  # read_film refuses them by name
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1 and values.dtype.kind == "f":
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 65535 and (high >= 2 or values.dtype.kind != "f"):
        low, high = 0.0, full_scale(high)
    return stretch(values, low, high)


def stretch(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """`low` to `high` as float32 0 to 1, what lies beyond cut off; all 0 where `high` is not above `low`."""
    if high <= low:
        return np.zeros(values.shape, np.float32)
    exact = np.result_type(values.dtype, np.float32)  # float64 for 32-bit counts: float32 does not hold them exactly
    film = (values.astype(exact) - exact.type(low)).astype(np.float32, copy=False)
    film *= np.float32(1 / (high - low))
    return np.clip(film, 0, 1, out=film)
