"""Read one DICOM film: stored values to grey levels in [0, 1], by the rule at the top of `films.py`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from idcgan.errors import InputError
from idcgan.films import check_size, full_scale, refuse, stretch

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as in Pillow


def read_dicom(path: Path) -> np.ndarray:
    """The first frame, (height, width) float32, bright = dense. Raises InputError, and whatever pydicom raises on damaged bytes."""
    try:
        import pydicom
        from pydicom.pixels import apply_color_lut, pixel_array
    except ImportError as error:
        raise InputError(f"{path} is a DICOM film and needs pydicom 3: pip install -e '.[dicom]' -c constraints.txt.") from error
    # about identifiers and dates that no pixel depends on; not within catch_warnings, which threads would undo for one another
    warnings.filterwarnings("ignore", module="pydicom")
    ds = pydicom.dcmread(path, force=True)  # force: old files lack the mark
    if "PixelData" not in ds or not ds.get("Rows") or not ds.get("Columns"):
        raise refuse(path, "is a DICOM file without pixel data")
    check_size(path, int(ds.Columns), int(ds.Rows))
    if "TransferSyntaxUID" not in ds.file_meta:
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    try:
        stored = pixel_array(ds, index=0)
    except (RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{path} cannot be unpacked from {ds.file_meta.TransferSyntaxUID.name}: install decoders for pydicom (pip install pylibjpeg "
            "pylibjpeg-libjpeg pylibjpeg-openjpeg), or export the film uncompressed; with them it is damaged."
        ) from error
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        most = 2.0 ** int(ds.RedPaletteColorLookupTableDescriptor[2]) - 1  # entries of 8 bits may come in words of 16
        return apply_color_lut(stored, ds)[..., :3].astype(np.float32) @ _LUMA / np.float32(most)
    if stored.ndim == 3:
        return stored.astype(np.float32) @ _LUMA / np.float32(2**ds.BitsStored - 1)
    film = _grey_levels(stored, ds)
    return 1 - film if ds.PhotometricInterpretation == "MONOCHROME1" else film


def _grey_levels(stored: np.ndarray, ds) -> np.ndarray:
    """Stored values -> rescale or modality table -> window, VOI table or full range -> [0, 1] (DICOM PS3.3 C.11.1 and C.11.2)."""
    if ds.get("ModalityLUTSequence"):  # an emptied one is there and has nothing in it
        table = ds.ModalityLUTSequence[0]
        low, high = 0.0, 2.0 ** int(table.LUTDescriptor[2]) - 1
        values = _looked_up(stored, table) * np.float32(high)
    else:
        low, high = _stored_range(stored, int(ds.BitsStored))
        slope, intercept = float(_first(ds, "RescaleSlope", 1)) or 1.0, float(_first(ds, "RescaleIntercept", 0))
        values = stored.astype(np.float32) * np.float32(slope) + np.float32(intercept)
        low, high = sorted((low * slope + intercept, high * slope + intercept))  # a falling slope inverts
    film = _windowed(values, ds)
    if film is None and ds.get("VOILUTSequence"):
        film = _looked_up(values, ds.VOILUTSequence[0])
    if film is None or film.min() == film.max():  # a window beside all values is a wrong window
        film = stretch(values, low, high)
    return film


def _looked_up(values: np.ndarray, lut) -> np.ndarray:
    """Values through a modality or VOI table (PS3.3 C.11.1.1, C.11.2.1.1), [0, 1].

    pydicom's own counts places in the table's type: one of 8 bits wraps at 256.
    """
    entries, first, bits = (int(number) for number in lut.LUTDescriptor)
    data, entries = lut.LUTData, entries or 2**16
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * entries else "<u2")
    table = np.asarray(data)[:entries].astype(np.float32) / np.float32(2**bits - 1)
    return table[np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)]


def _stored_range(stored: np.ndarray, bits: int) -> tuple[float, float]:
    low, high = float(stored.min()), float(stored.max())
    if low < 0:
        return low, high
    most = 2.0 ** (bits - (stored.dtype.kind == "i")) - 1  # one bit of signed values is the sign
    if bits >= 16:
        return 0.0, min(full_scale(high), max(high, most))
    return 0.0, max(high, most)


def _first(ds, name: str, default):
    value = ds.get(name)
    if value is None or value == "":
        return default
    return value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value


def _windowed(values: np.ndarray, ds) -> np.ndarray | None:
    """The first window, as PS3.3 C.11.2.1.2 has it; None without one or with a width that means nothing."""
    centre, width = _first(ds, "WindowCenter", None), _first(ds, "WindowWidth", None)
    if centre is None or width is None or not float(width) > 0:
        return None
    centre, width = float(centre), float(width)
    function = str(ds.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return 1 / (1 + np.exp(-4 * (values - np.float32(centre)) / np.float32(width)))
    if function == "LINEAR" and width >= 1:  # below 1 it is not defined: taken as LINEAR_EXACT
        centre, width = centre - 0.5, max(width - 1, 1e-6)
    return stretch(values, centre - width / 2, centre + width / 2)
