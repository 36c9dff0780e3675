"""Every way a film can be stored gives the same grey levels, and every way it can be broken gives one sentence."""

import builtins
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from idcgan import films
from idcgan.errors import InputError
from idcgan.films import find_films, read_film, resize, to_square

RAMP = np.linspace(0, 255, 20 * 30).round().astype(np.uint8).reshape(20, 30)  # dark above, bright below
GREY = RAMP / np.float32(255)


def refused(path) -> str:
    """Read a film that must be refused; the sentence, without the file's name, which it must hold."""
    with pytest.raises(InputError) as caught:
        read_film(path)
    sentence = str(caught.value)
    assert str(path) in sentence, sentence
    assert "\n" not in sentence, sentence
    assert sentence.endswith("."), sentence
    return sentence.replace(str(path), "")


def save(path, values, **options):
    Image.fromarray(values).save(path, **options)
    return path


# ---- PNG, JPEG, TIFF -------------------------------------------------------------------------------------------------


MODES = {
    "png": ("L", "LA", "RGB", "RGBA", "P", "I;16"),
    "tif": ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "P", "I;16", "I", "F"),
    "jpg": ("L", "RGB", "CMYK", "YCbCr"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix in MODES for mode in MODES[suffix]])
def test_each_mode_in_each_format(tmp_path, suffix, mode):
    """One grey ramp, stored in every mode that the format has, reads as the same ramp."""
    if mode == "P":
        image = Image.fromarray(RAMP).convert("P")
    elif mode == "I;16":
        image = Image.fromarray(RAMP.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(RAMP.astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray(RAMP.astype(np.float32) / 255)
    elif mode == "LAB":
        image = Image.merge("LAB", [Image.fromarray(RAMP), *[Image.new("L", (30, 20), 0)] * 2])
    elif mode == "CMYK":
        image = Image.merge("CMYK", [*[Image.new("L", (30, 20))] * 3, Image.fromarray(255 - RAMP)])
    else:
        image = Image.fromarray(RAMP).convert("RGB" if mode == "YCbCr" else mode).convert(mode)
    path = tmp_path / f"film.{suffix}"
    image.save(path, **({"quality": 100} if suffix == "jpg" else {}))
    film = read_film(path)
    assert film.dtype == np.float32
    assert film.shape == (20, 30)
    np.testing.assert_allclose(film, GREY, atol=0.02 if suffix == "jpg" else 0.005)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_one_bit(tmp_path, suffix):
    Image.fromarray(RAMP).point(lambda v: 255 * (v > 100), "1").save(tmp_path / f"film.{suffix}")
    np.testing.assert_array_equal(read_film(tmp_path / f"film.{suffix}"), (RAMP > 100).astype(np.float32))


@pytest.mark.parametrize(("highest", "full"), [(200, 255), (900, 1023), (3000, 4095), (16000, 16383), (60000, 65535)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_take_the_smallest_depth_that_holds_them(tmp_path, suffix, highest, full):
    values = np.linspace(0, highest, 400).astype(np.uint16).reshape(20, 20)
    assert read_film(save(tmp_path / f"film.{suffix}", values)).max() == pytest.approx(highest / full, abs=1e-6)


@pytest.mark.parametrize("highest", [1.004, 1.9])
def test_floats_a_little_above_1_are_no_counts(tmp_path, highest):
    """Resampled, say: taken for counts they would be black."""
    values = np.linspace(0, highest, 400, dtype=np.float32).reshape(20, 20)
    Image.fromarray(values).save(tmp_path / "film.tif")
    np.testing.assert_allclose(read_film(tmp_path / "film.tif"), values / np.float32(highest), atol=1e-6)


def test_float_tiff_outside_its_ranges_is_stretched(tmp_path):
    values = np.linspace(-1000, 3000, 400, dtype=np.float32).reshape(20, 20)
    film = read_film(save(tmp_path / "film.tif", values))
    np.testing.assert_allclose(film, (values + 1000) / 4000, atol=1e-6)
    counts = read_film(save(tmp_path / "counts.tif", np.abs(values)))
    assert counts.max() == pytest.approx(3000 / 4095)


def test_large_integers_keep_their_differences(tmp_path):
    """2^30 + 0..399: as float32 they would be a handful of steps."""
    film = read_film(save(tmp_path / "film.tif", (2**30 + np.arange(400, dtype=np.int32)).reshape(20, 20)))
    np.testing.assert_allclose(np.diff(film.ravel()), 1 / 399, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_where_zero_is_white(tmp_path, dtype):
    """Pillow turns 8 bits round and leaves 16 bits: both must come out bright = dense."""
    values = np.linspace(0, np.iinfo(dtype).max, 400).astype(dtype).reshape(20, 20)
    path = save(tmp_path / "film.tif", values)
    data = bytearray(path.read_bytes())
    directory = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, directory)[0]):
        place = directory + 2 + 12 * entry
        if struct.unpack_from("<H", data, place)[0] == 262:  # PhotometricInterpretation
            struct.pack_into("<H", data, place + 8, 0)
    path.write_bytes(data)
    film = read_film(path)
    assert film[0, 0] == pytest.approx(1)
    assert film[-1, -1] == pytest.approx(0)


def test_alpha_lies_over_black(tmp_path):
    rgba = np.full((20, 20, 4), 200, np.uint8)
    rgba[:10, :, 3], rgba[10:, :, 3] = 255, 0
    film = read_film(save(tmp_path / "film.png", rgba))
    assert film[0, 0] == pytest.approx(200 / 255)
    assert film[-1, 0] == 0


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, RAMP), (3, RAMP[::-1, ::-1]), (5, RAMP.T), (6, np.rot90(RAMP, -1)), (8, np.rot90(RAMP))],
)
def test_exif_orientation(tmp_path, suffix, orientation, turned):
    exif = Image.Exif()
    exif[274] = orientation
    film = read_film(save(tmp_path / f"film.{suffix}", RAMP, exif=exif))
    np.testing.assert_allclose(film, turned / 255, atol=0.03)


def test_first_page_of_a_tiff(tmp_path):
    pages = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP)]
    pages[0].save(tmp_path / "film.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_allclose(read_film(tmp_path / "film.tif"), GREY, atol=1e-6)


def test_contents_decide_not_the_name(tmp_path):
    for name, kind in (("film.png", "TIFF"), ("film.dcm", "PNG"), ("film.dicom", "TIFF")):
        Image.fromarray(RAMP).save(tmp_path / name, format=kind)
        np.testing.assert_allclose(read_film(tmp_path / name), GREY, atol=1e-6)


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_broken_files(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    for suffix in ("png", "jpg", "tif"):
        path = save(tmp_path / f"cut.{suffix}", noise)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        assert "damaged" in refused(path), suffix
    (tmp_path / "text.png").write_text("not a film, but a long enough text " * 9)
    assert "not a PNG" in refused(tmp_path / "text.png")
    (tmp_path / "odd.tif").write_bytes(b"II*\0" + bytes(200))
    assert "a PNG, JPEG or TIFF that is damaged or of a kind that is not read" in refused(tmp_path / "odd.tif")
    (tmp_path / "text.dcm").write_text("not a film, but a long enough text " * 9)
    refused(tmp_path / "text.dcm")
    (tmp_path / "zero.png").write_bytes(b"")
    assert "empty" in refused(tmp_path / "zero.png")
    assert "cannot be read" in refused(tmp_path / "missing.png")
    assert "cannot be read" in refused(tmp_path)


def sixteen_bit_png(path, colour: int, channels: int):
    """A PNG of 16 bits a channel, which Pillow reads and does not write."""
    height, width = RAMP.shape
    values = np.repeat(RAMP.astype(">u2")[..., None] * 16, channels, 2)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    piece = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))  # noqa: E731
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", zlib.compress(rows)) + piece(b"IEND", b""))
    return path


@pytest.mark.parametrize("where", ["before the pixels", "behind them"])
def test_a_film_that_a_generator_made_is_known_by_what_it_says(tmp_path, where):
    path, plain = tmp_path / "made.dcm", tmp_path / "real.png"  # the name does not matter
    Image.fromarray(RAMP).save(plain)
    data = plain.read_bytes()
    text = b"tEXt" + b"idcgan:synthetic\0true"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    at = data.index(b"IDAT" if where == "before the pixels" else b"IEND") - 4
    path.write_bytes(data[:at] + chunk + data[at:])
    assert films.is_synthetic(path)
    assert not films.is_synthetic(plain)
    np.testing.assert_allclose(read_film(path), GREY, atol=1e-6)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colour_of_sixteen_bits_is_refused(tmp_path, colour, channels):
    """Pillow would keep the high byte: of a film of 12 bits, sixteen grey levels."""
    assert "16-bit grey" in refused(sixteen_bit_png(tmp_path / "film.png", colour, channels))
    grey = read_film(sixteen_bit_png(tmp_path / "grey.png", 0, 1))
    assert len(np.unique(grey)) > 200


def test_no_permission(tmp_path, monkeypatch):
    path = save(tmp_path / "film.png", RAMP)
    monkeypatch.setattr(builtins, "open", _denied)
    assert "Permission denied" in refused(path)


def _denied(*_, **__):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("level", [0, 77, 255])
def test_one_grey_level(tmp_path, level):
    assert "one grey level" in refused(save(tmp_path / "film.png", np.full((32, 32), level, np.uint8)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_numbers(tmp_path, bad):
    values = RAMP.astype(np.float32)
    values[3, 3] = bad
    assert "NaN" in refused(save(tmp_path / "film.tif", values))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 15)])
def test_too_narrow(tmp_path, shape):
    assert "shorter side" in refused(save(tmp_path / "film.png", np.arange(shape[0] * shape[1]).reshape(shape).astype(np.uint8)))


def bomb(path, side: int):
    """A PNG that promises side x side pixels in a hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b""))
    return path


def test_size_limit_is_ours_and_leaves_pillow_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "30000 x 30000 pixels, more than 400 million" in refused(bomb(tmp_path / "big.png", 30_000))
        assert "damaged" in refused(bomb(tmp_path / "allowed.png", 15_000))  # 225 million: Pillow alone would refuse
    assert Image.MAX_IMAGE_PIXELS == 50_000_000


# ---- DICOM -----------------------------------------------------------------------------------------------------------


def dicom(path, stored, bits, **fields):
    """A DICOM file of these stored values, made here; a field given as None is taken out."""
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    ds.Rows, ds.Columns = stored.shape[-2:] if stored.shape[-1] != 3 else stored.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = stored.dtype.itemsize * 8, bits, bits - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    ds.PixelData = stored.tobytes()
    for name, value in fields.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.save_as(path, enforce_file_format=True)
    return path


def stored_ramp(low: int, high: int, dtype=np.uint16) -> np.ndarray:
    return np.linspace(low, high, 400).round().astype(dtype).reshape(20, 20)


@pytest.mark.parametrize("bits", [8, 10, 12, 15, 16])
def test_dicom_bits_stored_give_the_range(tmp_path, bits):
    half = 2 ** (bits - 1)  # a film that fills half its range must stay half as bright; 16 bits say nothing
    values = stored_ramp(0, half, np.uint8 if bits == 8 else np.uint16)
    film = read_film(dicom(tmp_path / "film.dcm", values, bits))
    assert film.dtype == np.float32
    np.testing.assert_allclose(film, values / (2**bits - 1), atol=1e-6)


def test_dicom_twelve_bits_in_sixteen_are_not_dark(tmp_path):
    values = stored_ramp(0, 4000)
    np.testing.assert_allclose(read_film(dicom(tmp_path / "film.dcm", values, 16)), values / 4095, atol=1e-6)


def test_dicom_monochrome1_is_inverted(tmp_path):
    values = stored_ramp(0, 4095)
    film = read_film(dicom(tmp_path / "film.dcm", values, 12, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_allclose(film, 1 - values / 4095, atol=1e-6)


def test_dicom_signed_values(tmp_path):
    values = stored_ramp(-1000, 1000, np.int16)
    np.testing.assert_allclose(read_film(dicom(tmp_path / "film.dcm", values, 16)), (values + 1000) / 2000, atol=1e-6)


@pytest.mark.parametrize(("bits", "high", "top"), [(12, 2047, 2047), (12, 1000, 2047), (16, 32767, 32767), (16, 3000, 4095)])
def test_dicom_signed_values_that_are_not_negative(tmp_path, bits, high, top):
    """One bit is the sign: a film that fills its range is as bright as an unsigned one."""
    values = stored_ramp(0, high, np.int16)
    np.testing.assert_allclose(read_film(dicom(tmp_path / "film.dcm", values, bits)), values / top, atol=1e-6)


def test_dicom_sequences_that_were_emptied_are_none(tmp_path):
    values = stored_ramp(0, 2048)
    film = read_film(dicom(tmp_path / "film.dcm", values, 12, VOILUTSequence=[], ModalityLUTSequence=[]))
    np.testing.assert_allclose(film, values / 4095, atol=1e-6)


@pytest.mark.parametrize(("bits", "packed"), [(8, True), (8, False), (12, False), (16, False)])
def test_dicom_modality_table(tmp_path, bits, packed):
    """The range is the table's, not the film's: a lung is the same grey in every film."""
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    values, most = stored_ramp(0, 1023), 2**bits - 1
    table, levels = pydicom.Dataset(), np.arange(1024) * (most // 2) // 1023
    table.LUTDescriptor, table.LUTData = [1024, 0, bits], levels.astype(np.uint8 if packed else "<u2").tobytes()
    film = read_film(dicom(tmp_path / "film.dcm", values, 10, ModalityLUTSequence=[table]))
    np.testing.assert_allclose(film, levels[values] / most, atol=1e-6)


def test_dicom_palette_of_eight_bits(tmp_path):
    entries = np.arange(256).astype("<u2").tobytes()
    colours = {f"{name}PaletteColorLookupTable{part}": value for name in ("Red", "Green", "Blue") for part, value in (("Descriptor", [256, 0, 8]),
                                                                                                                  ("Data", entries))}  # fmt: skip
    film = read_film(dicom(tmp_path / "film.dcm", RAMP, 8, PhotometricInterpretation="PALETTE COLOR", **colours))
    np.testing.assert_allclose(film, GREY, atol=1e-5)


def test_dicom_window_follows_rescale(tmp_path):
    """PS3.3 C.11.2.1.2.1: ((x - (c - 0.5)) / (w - 1) + 0.5), x after slope and intercept, the first of two windows."""
    values = stored_ramp(0, 4095)
    fields = {"RescaleSlope": 2, "RescaleIntercept": -1000, "WindowCenter": [3000, 1], "WindowWidth": [2001, 1]}
    film = read_film(dicom(tmp_path / "film.dcm", values, 12, **fields))
    np.testing.assert_allclose(film, np.clip((values * 2.0 - 1000 - 2999.5) / 2000 + 0.5, 0, 1), atol=1e-5)
    assert film.min() == 0
    assert film.max() == 1


def test_dicom_windows_that_need_care(tmp_path):
    values = stored_ramp(0, 4095)
    step = read_film(dicom(tmp_path / "a.dcm", values, 12, WindowCenter=2000, WindowWidth=1))
    np.testing.assert_array_equal(step, (values > 1999.5).astype(np.float32))
    narrow = read_film(dicom(tmp_path / "b.dcm", values, 12, WindowCenter=2000, WindowWidth=0.5))
    np.testing.assert_array_equal(narrow, np.clip((values - 2000.0) / 0.5 + 0.5, 0, 1))
    full = values / 4095
    zero = read_film(dicom(tmp_path / "c.dcm", values, 12, WindowCenter=2000, WindowWidth=0))
    np.testing.assert_allclose(zero, full, atol=1e-6)
    beside = read_film(dicom(tmp_path / "d.dcm", values, 12, WindowCenter=60000, WindowWidth=100))
    np.testing.assert_allclose(beside, full, atol=1e-6)
    curve = read_film(dicom(tmp_path / "e.dcm", values, 12, WindowCenter=2000, WindowWidth=800, VOILUTFunction="SIGMOID"))
    np.testing.assert_allclose(curve, 1 / (1 + np.exp(-4 * (values - 2000.0) / 800)), atol=1e-5)


def test_dicom_falling_slope_inverts(tmp_path):
    values = stored_ramp(0, 4095)
    film = read_film(dicom(tmp_path / "film.dcm", values, 12, RescaleSlope=-1, RescaleIntercept=4095))
    np.testing.assert_allclose(film, 1 - values / 4095, atol=1e-6)


def test_dicom_voi_table(tmp_path):
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    values = stored_ramp(0, 255, np.uint8)
    table = pydicom.Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], (np.arange(256) ** 2).astype("<u2").tobytes()
    film = read_film(dicom(tmp_path / "film.dcm", values, 8, VOILUTSequence=[table]))
    np.testing.assert_allclose(film, values.astype(float) ** 2 / 65535, atol=1e-4)


@pytest.mark.parametrize("packed", [True, False])
def test_dicom_voi_table_of_eight_bits(tmp_path, packed):
    """4,096 values to 256 grey levels: places beyond 255 must not wrap."""
    pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")
    values = stored_ramp(0, 4095)
    table, levels = pydicom.Dataset(), (np.arange(4000) // 16).astype(np.uint8)
    table.LUTDescriptor, table.LUTData = [4000, 50, 8], (levels if packed else levels.astype("<u2")).tobytes()
    film = read_film(dicom(tmp_path / "film.dcm", values, 12, VOILUTSequence=[table]))
    np.testing.assert_allclose(film, np.clip(values.astype(int) - 50, 0, 3999) // 16 / 255, atol=1e-6)


def test_dicom_first_frame_and_colour(tmp_path):
    values = stored_ramp(0, 4095)
    film = read_film(dicom(tmp_path / "a.dcm", np.stack([values, values[::-1]]), 12, NumberOfFrames=2))
    np.testing.assert_allclose(film, values / 4095, atol=1e-6)
    rgb = np.stack([RAMP] * 3, axis=-1)
    fields = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    np.testing.assert_allclose(read_film(dicom(tmp_path / "b.dcm", rgb, 8, **fields)), GREY, atol=1e-5)


def test_dicom_that_is_refused(tmp_path):
    values = stored_ramp(0, 4095)
    assert "without pixel data" in refused(dicom(tmp_path / "a.dcm", values, 12, PixelData=None))
    assert "one grey level" in refused(dicom(tmp_path / "b.dcm", np.full((20, 20), 7, np.uint16), 12))
    assert "more than 400 million" in refused(dicom(tmp_path / "c.dcm", values, 12, Rows=30000, Columns=30000))
    assert "damaged" in refused(dicom(tmp_path / "d.dcm", values, 12, Rows=40))


def test_a_compressed_dicom_that_cannot_be_unpacked(tmp_path, monkeypatch):
    import pydicom.pixels

    def decode(*_, **__):
        raise RuntimeError("all plugins are missing dependencies")

    path = dicom(tmp_path / "film.dcm", stored_ramp(0, 4095), 12)
    monkeypatch.setattr(pydicom.pixels, "pixel_array", decode)
    assert "pylibjpeg-libjpeg" in refused(path)


def test_dicom_without_pydicom(tmp_path, monkeypatch):
    path = dicom(tmp_path / "film.dcm", stored_ramp(0, 4095), 12)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert "pip install -e '.[dicom]'" in refused(path)


def test_a_real_dicom_film():
    data = pytest.importorskip("pydicom.data", reason="the extra `dicom` is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = data.get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("RG1_UNCR.dcm is not here: pip install pydicom-data")
    film = read_film(path)  # 1955 x 1841, 15 bits, MONOCHROME1, window 15000 / 30000
    assert film.shape == (1955, 1841)
    assert film[900:1000, 900:1000].mean() > film[:20, :20].mean() + 0.3  # bone is brighter than air


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_find_films(tmp_path):
    for name in ("b/2.PNG", "a/1.jpeg", "c.tiff", "notes.txt", ".hidden.png", ".cache/x.png", "b/._2.png", "noext",
                 "contact-sheet.png", "b/old/run.json", "b/old/samples/0016.png"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"x")
    mark = bytes(128) + b"DICM"
    for name in ("1.2.840.113", "IM000001", "DICOMDIR"):
        (tmp_path / name).write_bytes(mark)
    found = [path.relative_to(tmp_path).as_posix() for path in find_films(tmp_path)]
    assert found == ["1.2.840.113", "IM000001", "a/1.jpeg", "b/2.PNG", "c.tiff"]


def test_a_class_is_found_in_any_case_of_letters_and_stray_pictures_are_not_it(tmp_path):
    for name in ("NORMAL", "PNEUMONIA"):
        save((tmp_path / name).mkdir() or tmp_path / name / "film.png", RAMP)
    save(tmp_path / "stray.png", RAMP)
    assert find_films(tmp_path, "normal") == [tmp_path / "NORMAL" / "film.png"]
    with pytest.raises(InputError, match=r"no subfolder 'pnuemonia' \(it has: NORMAL, PNEUMONIA\)"):
        find_films(tmp_path, "pnuemonia")


def test_label_class_is_the_subfolder_or_the_folder_itself(tmp_path):
    for name in ("normal/1.png", "normal/deep/2.png", "abnormal/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in find_films(tmp_path, "normal")] == ["1.png", "2.png"]
    assert [path.name for path in find_films(tmp_path / "abnormal", "abnormal")] == ["3.png"]
    (tmp_path / "4.png").unlink()
    with pytest.raises(InputError, match=r"no subfolder 'covid' \(it has: abnormal, normal\)"):
        find_films(tmp_path, "covid")


def test_a_tilde_is_the_home_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "films").mkdir()
    save(tmp_path / "films" / "a.png", RAMP)
    assert find_films("~/films") == [tmp_path / "films" / "a.png"]


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        find_films(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no film"):
        find_films(tmp_path)
    (tmp_path / "file.png").write_bytes(b"x")
    with pytest.raises(InputError, match="is a file"):
        find_films(tmp_path / "file.png")


# ---- square and resize -----------------------------------------------------------------------------------------------

shapes = st.tuples(st.integers(1, 60), st.integers(1, 60))
arrays = hnp.arrays(np.float32, shapes, elements=st.floats(0, 1, width=32))


@settings(max_examples=60, deadline=None)
@given(arrays, st.sampled_from(["crop", "pad"]), st.sampled_from([1, 16, 33, 64]))
def test_square_and_resize_keep_shape_and_range(film, square, resolution):
    side = {"crop": min, "pad": max}[square](film.shape)
    out = to_square(film, square)
    assert out.shape == (side, side)
    assert out.dtype == np.float32
    assert set(np.unique(out)) <= set(np.unique(film))  # moved, not changed
    small = resize(out, resolution)
    assert small.shape == (resolution, resolution)
    assert small.dtype == np.float32
    assert small.min() >= 0
    assert small.max() <= 1
    np.testing.assert_allclose(resize(out, side), out, atol=1e-6)  # the same size, the same pixels


def test_crop_and_pad_are_centred():
    film = np.arange(4 * 7, dtype=np.float32).reshape(4, 7) / 100 + 0.1
    np.testing.assert_array_equal(to_square(film), film[:, 1:5])
    np.testing.assert_array_equal(to_square(film.T, "crop"), film.T[1:5])
    padded = to_square(film, "pad")
    np.testing.assert_array_equal(padded[1:5], film)
    assert (padded[[0, 5, 6]] == np.float32(0.1)).all()  # the darkest border value


def test_pad_does_not_look_inside():
    film = np.full((20, 30), 0.4, np.float32)
    film[10, 15] = 0.0  # dark, but not at the border
    assert to_square(film, "pad")[0, 0] == np.float32(0.4)


def test_fine_stripes_become_flat_grey():
    """Aliasing: stripes of 3 and 2 pixels at 60 to 1; picking pixels would leave moire of full contrast."""
    stripes = np.tile((np.arange(960) % 5 < 3).astype(np.float32), (960, 1))
    small = resize(stripes, 16)
    assert stripes[::60, ::60].mean() != pytest.approx(0.6, abs=0.1)  # what nearest neighbour would give
    np.testing.assert_allclose(small, 0.6, atol=0.02)


def test_up_sampling_is_smooth():
    edge = np.zeros((16, 16), np.float32)
    edge[:, 8:] = 1
    row = resize(edge, 64)[32]
    assert ((row > 0.1) & (row < 0.9)).sum() >= 2  # a slope, not a step
    assert abs(row.mean() - 0.5) < 0.01


def test_resize_and_square_refuse_wrong_use():
    with pytest.raises(InputError, match="not square"):
        resize(np.zeros((4, 5), np.float32), 16)
    with pytest.raises(InputError, match="resolution"):
        resize(np.zeros((4, 4), np.float32), 0)
    with pytest.raises(InputError, match="'stretch'"):
        to_square(np.zeros((4, 4), np.float32), "stretch")


def test_memory_error_is_one_sentence(tmp_path, monkeypatch):
    path = save(tmp_path / "film.png", RAMP)

    def too_much(_):
        raise MemoryError

    monkeypatch.setattr(films, "_luminance", too_much)
    assert "memory" in refused(path)
