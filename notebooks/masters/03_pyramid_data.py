# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["imports"]
import contextlib
import io
import tempfile
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from IPython.display import Markdown
from PIL import Image

import idcgan.films
from idcgan import (
    InputError,
    MixedBatches,
    Pyramid,
    alias_plots,
    gratings,
    intake,
    phantom,
    plots,
    pyramid_plots,
)
from idcgan.course import opening, source, tiny
from idcgan.exercises import pyramid_data as check
from idcgan.films import SQUARES, read_film, resize, to_square
from idcgan.phantom_widget import PhantomFactors, ReplacedShare
from idcgan.pyramid import check_resolutions

# %%
opening("films", "pyramid", "batches")

# %% [markdown]
# ## Films of yours, or none
#
# With the next cell as it is, everything happens on *phantom* films: procedural chests that come with the package. Give a folder of your own (PNG,
# JPEG, TIFF, DICOM) and the sections on the pyramid show your films instead. Nothing leaves the machine, and the pyramid lies in a temporary
# folder; but pictures stay in a notebook's outputs, so clear them before you pass it on.

# %% tags=["parameters"]
films = ""  # a folder of films; empty: phantoms
label_class = ""  # one of its subfolders, such as normal; empty: all of them

# %% [markdown]
# ## Five sets of the same films
#
# > *"Hence the original dataset is replicated as three different sets with different resolutions D1,D2,D3,D4 Where D1 has resolution with
# > resolution 64 X 64, D2 has images 128 X 128 and D3 has 512 x 512, D4 has images 1024 x 1024. D5 has 2048 X 2048."* (the paper, section 4)
#
# Three sets become five within two sentences, 128 jumps to 512 (section 3 begins at 256, which is in no set), and further down 1024 is written
# "1028". What is meant is clear: **the same films at every resolution**, small ones to begin with and large ones to end with. We call that a
# *pyramid*. What the paper leaves open is how a film gets there: how it becomes square, what happens to its grey levels, how it is made smaller.
# This notebook is about those three questions, and then about what a network is shown: a *mixed batch*.

# %%
levels = tiny((64, 128, 512, 1024, 2048), (16, 32, 64, 128, 256))  # D1 to D5; tests take small ones
lines = [
    "| set | pixels per side | pixels, D1 = 1 | 214 films, one byte per pixel |",
    "| --- | --- | --- | --- |",
]
lines += [
    f"| D{i} | {r} | {(r // levels[0]) ** 2} | {214 * r * r / 1e6:,.1f} MB |" for i, r in enumerate(levels, 1)
]
Markdown("\n".join(lines))

# %% [markdown]
# ### A folder as one gets it
#
# Films come as whatever the last program wrote. So that we know what is in ours, we write it ourselves: 8 bits and 16, wide and tall, one too
# small, one twice, and one that is no film at all.

# %%
gone_at_the_end = tempfile.TemporaryDirectory(prefix="pyramid-", ignore_cleanup_errors=True)
work = Path(gone_at_the_end.name)  # nothing of this notebook stays in your folders
side = tiny(1024, 128)
chests = [phantom.film(seed, "normal", side)[0] for seed in range(8)]


def save(film, name, bits=8):
    """Grey levels in [0, 1] as a file; what needs more than 8 bits lies in 16, as the films of most detectors do."""
    kind = np.uint8 if bits == 8 else np.uint16
    Image.fromarray(np.rint(film * (2**bits - 1)).astype(kind)).save(folder / name)


folder = work / "films"
folder.mkdir()
for number in range(3):
    save(chests[number], f"plain-{number}.png")
save(chests[3], "twelve-bits.png", bits=12)
save(chests[4][side // 8 : -side // 8], "wide.jpg")  # a tube that was turned
save(chests[5][:, side // 12 : -side // 12], "tall.tif", bits=16)
save(resize(chests[6], side // 4), "small.png")
save(chests[0], "plain-0-again.png")
(folder / "report.png").write_text("Heart and lungs are normal.")
for path in sorted(folder.iterdir()):
    print(f"{path.name:20} {path.stat().st_size / 1000:8.0f} kB")

# %% [markdown]
# ### The pyramid
#
# One call makes all levels. A file that cannot be read, or the second copy of one that can, is left out and named, and the rest goes on: a folder
# of films is never perfect.

# %%
source_folder = Path(films).expanduser() if films else folder
with contextlib.redirect_stderr(io.StringIO()):  # what it left out: we print that below
    films_at = Pyramid.build(
        source_folder, work / "pyramid", levels, label_class=label_class or None, progress=False
    )


def without_path(sentence):
    return str(sentence).replace(f"{source_folder}/", "").replace(f"{work}/", "")


print(f"{len(films_at)} films, {len(films_at.left_out)} left out; fingerprint {films_at.fingerprint}")
for entry in films_at.left_out[:5]:
    print("left out:", without_path(entry["source"]), "-", without_path(entry["reason"]))

# %%
plots.show(
    pyramid_plots.plot_sizes(films_at),
    alt="One chest film at D1 to D5, drawn to scale: the first is a stamp beside the last.",
)

# %%
rows = {f"D{i}\n{r} x {r}": films_at.level(r)[:6] for i, r in enumerate(films_at.resolutions[:3], 1)}
plots.show(
    plots.plot_rows(rows),
    alt="Six films in three rows: the same chests at the three lowest levels, sharper from row to row.",
)

# %% [markdown]
# A pyramid is a folder with one array per level, read through a memory map: films at 2048 x 2048 cost no memory until somebody looks at them.
# What every film is and where it comes from stands in `manifest.json`.

# %%
for path in sorted((work / "pyramid").iterdir()):
    print(f"{path.name:16} {path.stat().st_size / 1e6:8.2f} MB")
print(films_at.level(levels[0]).shape, films_at.level(levels[0]).dtype, "- (films, channels, height, width)")

# %% [markdown]
# And this is what happens to each film on its way. Every level is made **from the film itself**, never from the level above: one reduction, one
# rounding.

# %%
source(intake.prepare)

# %% [markdown]
# What cannot be done is refused in one sentence that says what to do. The paper's "1028 x 1028" among them:

# %%
empty = work / "empty"
empty.mkdir(exist_ok=True)
for attempt in (
    lambda: Pyramid.build(empty, work / "p2", levels, progress=False),
    lambda: read_film(folder / "report.png"),
    lambda: check_resolutions((64, 128, 512, 1028, 2048)),
    lambda: check_resolutions((64, 2048)),
):
    try:
        attempt()
    except InputError as error:
        print("·", without_path(error))

# %% [markdown]
# ## Grey levels
#
# A file holds whole numbers, a network wants numbers in [-1, 1], the range of the generator's Tanh (section 3.1, rule 4). Between the two lies a
# question that the file often does not answer: **which number is white?** Detectors with 12 bits are stored in 16, and 4095 of 65535 is nearly
# black. `read_film` takes the smallest usual depth (8, 10, 12, 14, 16 bits) that holds the film's highest value. That is a guess, made for each film
# alone: a dark film of 12 bits whose highest value is 1,000 passes for 10 bits and comes out four times too bright. So look at the histograms of a
# new folder, and where the depth is known, convert the films before.

# %%
stored = np.asarray(Image.open(folder / "twelve-bits.png"))
read = read_film(folder / "twelve-bits.png")
print(f"in the file {stored.dtype}, {stored.min()} to {stored.max()}")
print(f"read        {read.dtype}, {read.min():.3f} to {read.max():.3f}")
kinds = {
    "12 bits, divided by 65535": stored.astype(np.float32) / 65535,
    "12 bits, as read_film reads it": read,
    "another film, 8 bits": read_film(folder / "plain-0.png"),
}
plots.show(
    pyramid_plots.plot_grey_levels(kinds),
    alt="Three films above their histograms. Divided by 65535 the film is black, its levels crowd at zero; read with the right depth they spread.",
)

# %% [markdown]
# A histogram is the quickest look at a new folder: the peak at the left is air beside the patient, the broad hill the lungs, the hill on the right
# heart, belly and bones. If one film's hills lie elsewhere, a network will learn *that* before it learns ribs.
#
# **Why not make them all alike?** Histogram equalisation spreads the levels of low-contrast films; the paper cites a filter that does so and then
# chooses among noise filters with a fuzzy model (Prabhu et al. 2019, section 2). The pyramid does not: what it changes once is lost for every later
# use, and a radiograph's contrast says something about the patient. A network can be shown changed contrast later, as augmentation.
#
# ### Reading a film, whatever it is
#
# The rules are at the top of `idcgan/films.py`; bright is always dense, bone is white.

# %%
Markdown(idcgan.films.__doc__)

# %% [markdown]
# ## DICOM
#
# In a hospital a film is a DICOM file: pixels with words for what they mean. Three of them decide what you see. **Photometric interpretation**: in
# `MONOCHROME1` the lowest number is white, as on a film on the light box, in `MONOCHROME2` it is black. **Bits stored**: where white is. And the
# **window**, centre and width: the part of the range that a reader looks at, the rest being black or white.

# %%
has_dicom = find_spec("pydicom") is not None
if not has_dicom:
    print("Without pydicom the next cell shows nothing: pip install -e '.[dicom]' brings it.")


def save_dicom(path, film, meaning="MONOCHROME2", window=None):
    """A film in [0, 1] as 12-bit DICOM: the least that a reader needs. Nobody's name is in it."""
    import pydicom

    levels_stored = np.rint((1 - film if meaning == "MONOCHROME1" else film) * 4095).astype(np.uint16)
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    ds.PatientName, ds.Modality = "Phantom^Synthetic", "DX"
    ds.Rows, ds.Columns = levels_stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, meaning
    if window:
        ds.WindowCenter, ds.WindowWidth = window
    ds.PixelData = levels_stored.tobytes()
    ds.save_as(path, enforce_file_format=True)


# %%
dicom_figure = None
if has_dicom:
    from pydicom import dcmread

    chest = resize(chests[1], side // 2)
    written = {"MONOCHROME2": ("MONOCHROME2", None), "MONOCHROME1": ("MONOCHROME1", None)}
    written["a lung window"] = ("MONOCHROME2", (2000, 1400))
    inside, seen = {}, {}
    for name, (meaning, window) in written.items():
        path = work / f"{name.replace(' ', '-')}.dcm"
        save_dicom(path, chest, meaning, window)
        inside[f"{name}: the numbers in the file"] = dcmread(path).pixel_array / 4095
        seen[f"{name}: as read"] = read_film(path)
    two, one, windowed = seen.values()
    print(f"MONOCHROME1 and 2, once read, are at most {abs(one - two).max() * 4095:.1f} of 4095 levels apart.")
    print(f"Through the window, {np.mean(windowed == 1):.0%} of the pixels are plain white.")
    dicom_figure = plots.show(
        pyramid_plots.plot_panels(inside | seen, columns=3, side=2.7),
        alt="Three DICOM films, above as the numbers in the file, below as read. MONOCHROME1 is a negative in the "
        "file and right when read; the window stretches the lungs and makes the heart white.",
    )
dicom_figure

# %% [markdown]
# `idcgan` reads the first window and believes it. That can hurt: behind a lung window the heart is one white patch, and no later step brings it
# back. DICOM also carries names and dates; the pyramid keeps pixels and the file's name only.
#
# ## Square
#
# Networks of this kind make squares, films are rarely square. Cut the longer side, or fill up the shorter with the darkest grey of its border?
# `crop` is our choice: padding teaches the network black bars, cropping may lose a shoulder. Look at your own films and say `--set square=pad` if
# it loses lungs.

# %%
wide = read_film(folder / "wide.jpg")
squares = {name: to_square(wide, name) for name in SQUARES}
lost = 1 - squares["crop"].size / wide.size
unused = 1 - wide.size / squares["pad"].size
print(f"crop loses {lost:.0%} of the film, pad leaves {unused:.0%} of the square empty.")
plots.show(
    pyramid_plots.plot_squares(wide, squares),
    alt="A wide film with its centre square framed; the cropped square; the padded one, with bars.",
)

# %% [markdown]
# ## Smaller without lies
#
# To go from 1024 to 64 pixels, the obvious way is to keep every sixteenth. It is wrong, and on smooth pictures you will not notice. A picture with
# *n* pixels a side can hold *n*/2 bright stripes (**Nyquist**: a stripe needs one bright and one dark pixel). Finer stripes do not vanish when
# pixels are left out. They come back as coarse ones that were never there: *aliases*.
#
# The rings below grow finer outwards, evenly, up to the finest that the picture holds. At a quarter of the size, only the rings within a quarter of
# the way from the middle to the edge should survive, and even grey should be around them.

# %%
rings = gratings.zone_plate(200)
shrunk = {name: gratings.reduced(rings, 50, name) for name in ("every n-th pixel", "mean of blocks", "Lanczos")}
named = {f"{name}, 50 x 50".replace("n-th", "4th"): small for name, small in shrunk.items()}
plots.show(
    alias_plots.plot_exact({"rings, 200 x 200": rings} | named),
    alt="Rings that grow finer outwards, and three reductions of them: with every fourth pixel a field of false ring systems, with the mean of "
    "blocks faint ones along the axes, with Lanczos only the true one in the middle.",
)

# %% [markdown]
# Where do the false rings lie? A grating of *f* stripes, seen at *n* pixels, looks like one of *f*, *f* - *n*, *f* - 2*n*, ...: whichever is
# nearest to 0, without its sign.

# %%
for stripes in (20, 45, 60, 90):
    seen_as = gratings.alias_of(stripes, 50)
    alias = "" if seen_as == stripes else ", an alias"
    print(f"{stripes} stripes at 50 pixels (which hold {50 // 2}): seen as {seen_as:g}{alias}")

# %% [markdown]
# Now measured. What share of a grating's contrast comes through, for every fineness? The ideal curve is 1 to the left of the grey field and 0 in
# it. Leaving pixels out lets everything through. The mean of blocks is far better and leaks; Lanczos, a weighted mean over more pixels
# the stronger the reduction is, with some weights below 0, comes closest.

# %%
plots.show(
    alias_plots.plot_contrast_left(tiny(256, 128), tiny(64, 32), tiny(60, 25)),
    alt="Contrast left against stripes per film for four ways of reducing. Every n-th pixel stays at 1 throughout; the mean of blocks falls and "
    "rises again beyond the limit; bilinear blurs early; Lanczos keeps most below the limit and nothing well above.",
)

# %% [markdown]
# On chest films this is no fine point. Many are taken through an anti-scatter grid: a thousand and more thin lead lines (here 392, which 1024 pixels
# can hold), which the eye passes over at full size.

# %%
grid_lines = side * 49 // 128  # a little more than 3 per 8 pixels
target = side // 8
gridded = gratings.with_grid_lines(chests[2], grid_lines)
corner = slice(side // 4, side // 4 + target)
looks = {
    f"{target} x {target} pixels of the film": gridded[corner, corner],
    f"every 8th pixel, {target} x {target}": gratings.reduced(gridded, target, "every n-th pixel"),
    f"resize, {target} x {target}": resize(gridded, target),
}
bands = gratings.alias_of(grid_lines, target)
print(f"{grid_lines} lines come back as {bands:g} when every 8th pixel is kept.")
clean = {
    "every 8th pixel": gratings.reduced(chests[2], target, "every n-th pixel"),
    "resize": resize(chests[2], target),
}
for (name, without), with_lines in zip(clean.items(), list(looks.values())[1:], strict=True):
    print(f"{name:16} leaves {255 * (with_lines - without).std():.2f} grey levels of the lines")
plots.show(
    alias_plots.plot_exact(looks, pixels=tiny(256, 128)),
    alt="A piece of a film with fine grid lines; every eighth pixel of it, crossed by broad false bands; the film reduced with Lanczos, without.",
)

# %% [markdown]
# A discriminator would learn those bands as a mark of real films, and the generator would draw them. So the pyramid uses Pillow's Lanczos:

# %%
source(resize)

# %% [markdown]
# ## Larger without a grid
#
# The other way: a generator that grows enlarges what the level below has drawn, and adds to it. An enlargement can do two wrongs. It takes from what
# is fine; and it leaves an *echo*: when *n* pixels become 2*n*, a grating of *f* stripes comes back as one of *n* - *f*, because the new pixels lie
# between the old ones and are off by turns, one this way, the next that way. What is coarse has its echo beside the finest grating there is: **a grid
# of two pixels**.

# %%
plots.show(
    alias_plots.plot_echoes(tiny(128, 32)),
    alt="Left, share kept against stripes per film: bilinear falls early, Lanczos and polynomials keep nearly all up to half of what the film holds. "
    "Right, the echo in decibels: of coarse gratings Lanczos leaves one at -45 to -55, bilinear at -60 to -100, polynomials none.",
)

# %% [markdown]
# An echo at -45 dB has a two-hundredth of its grating's amplitude (20 dB are ten times the amplitude, a hundred times the power). But in a chest
# film what is coarse is thousands of times stronger than what is fine: enlarged by Lanczos, films of this package's generator had a grid that stood
# twenty decibels over all that is as fine. Enlarged bilinearly they have none, but a fifth of what lies at half of the limit is gone. So from 512
# on `long` enlarges by *polynomials*: through seven pixels goes one of sixth degree, and the new pixels, a quarter before and behind each old one,
# lie on it.

# %% [markdown]
# ## What a level can hold
#
# The same piece of one film at every level, an eighth of its width. At D1 a rib is a step between blocks; vessels come later, and grain last.

# %%
plots.show(
    pyramid_plots.plot_zoom(films_at, 0, (0.28, 0.30), 0.125),
    alt="An eighth of a film's width, at D1 to D5: blocks, then a rib, then vessels; D5 is D4 with smaller pixels.",
)

# %% [markdown]
# The way up is another matter. A film of 1024 pixels can be *enlarged* to 2048, and then has four times as many pixels and not one detail more. The
# **power spectrum** shows it: the film taken apart into waves, how strong they are against how fine they are. In the finer half of the frequencies,
# next to nothing is left.

# %%
large = levels[-1]
true = phantom.film(3, "normal", large)[0]
enlarged = resize(resize(true, large // 2), large)
spectra = {
    f"drawn at {large}": pyramid_plots.power_spectrum(true),
    f"{large // 2}, enlarged": pyramid_plots.power_spectrum(enlarged),
}
above = [power[3 * large // 8 :].mean() for power in spectra.values()]
less = above[0] - above[1]
print(f"In the finest quarter of the frequencies the enlarged film has {less:.0f} dB less power,")
print(f"a factor of {10 ** (less / 10):,.0f}.")
plots.show(
    pyramid_plots.plot_spectra(spectra, large // 4),
    alt="Two power spectra that agree up to half of the frequencies; from there the film drawn large stays level and the enlarged one falls away.",
)

# %% [markdown]
# What lies up there in a phantom is mostly the detector's noise, hence the flat end, and so it is in many a real film. Noise or not, a network that
# is shown enlarged films learns that there is nothing. The paper does not say what size its originals had, so whether its 2048 x 2048 films could
# hold more than enlarged ones cannot be known. The pyramid counts, and a run says so when it reaches such a level:

# %%
for number, resolution in enumerate(levels, 1):
    native = films_at.native(resolution)
    note = "" if native else "; all are enlarged"
    print(f"D{number} {resolution:5}: {native} of {len(films_at)} films have that many pixels of their own{note}")

# %% [markdown]
# ## Films with known factors
#
# Figures 5 and 6 of the paper show original films, normal and abnormal. They belong to patients and cannot be passed on; ours are phantoms, which
# anybody may have, and of which we know **everything**: a film is drawn from a list of factors. [Notebook 10](10_paper_tables_and_figures.ipynb)
# sets its Figures 5 and 6 with them.

# %%
normal = [phantom.film(seed, "normal", 256)[0] for seed in range(8, 14)]
abnormal = [phantom.film(seed, "abnormal", 256)[0] for seed in range(8, 14)]
rows = {"normal\n(Figure 5)": 2 * np.stack(normal) - 1, "abnormal\n(Figure 6)": 2 * np.stack(abnormal) - 1}
plots.show(
    plots.plot_rows(rows, side=1.35),
    alt="Six normal and six abnormal phantom films, drawn from known factors.",
)

# %%
source(phantom.Factors)

# %% [markdown]
# One patient, one factor at a time.

# %%
patient = phantom.draw_factors(4)
ratios, ribs, exposures, opacities = (0.40, 0.50, 0.60), (7, 9, 11), (0.7, 1.0, 1.5), (0.0, 0.2, 0.4)
variants = {
    "heart / chest": [replace(patient, heart_width=value * patient.thorax_width) for value in ratios],
    "ribs": [replace(patient, rib_count=value) for value in ribs],
    "exposure": [replace(patient, exposure=value) for value in exposures],
    "lung density": [replace(patient, lung_opacity=value) for value in opacities],
}
values = dict(zip(variants, (ratios, ribs, exposures, opacities), strict=True))
plots.show(
    pyramid_plots.plot_factors(variants, values),
    alt="Four rows of three films: a growing heart, more ribs, more exposure, denser lungs.",
)

# %% [markdown]
# Abnormal phantoms have one to three findings, and we know where. An enlarged heart is one wider than half of the chest (cardiothoracic ratio above
# 0.5).

# %%
patients = [phantom.draw_factors(seed, "abnormal") for seed in range(76)]
counted = Counter(finding.kind for patient in patients for finding in patient.findings).most_common()
print("findings in 76 abnormal phantoms:", ", ".join(f"{kind} {number}" for kind, number in counted))
plots.show(
    pyramid_plots.plot_findings([phantom.film(seed, "abnormal", 256) for seed in (1, 2, 3, 7)]),
    alt="Four abnormal phantom films with their nodules, consolidations and effusions circled, and the ratio of heart to chest.",
)

# %% [markdown]
# Why this matters: in [notebook 05](05_evaluation.ipynb) we take a factor away, or shift one, and see which measure notices. With real films nobody
# knows the truth.
#
# ### Try it: a patient with sliders
#
# Enlarge the heart until it is abnormal; overexpose and watch the histogram; take the ribs away. Choose *abnormal* and another patient, and find
# what is wrong.

# %%
sliders = PhantomFactors("normal", 4)
sliders

# %% [markdown]
# The same picture without sliders, for paper and for where nothing can be clicked:

# %%
plots.show(
    sliders.render("normal", 4, cardiothoracic_ratio=0.6, exposure=1.4),
    alt="A normal phantom; the same patient with an enlarged heart and more exposure; both histograms, the second further left.",
)

# %% [markdown]
# ## Replacement: a mixed batch
#
# > *"Incrementally the samples are modified by replacing 64 x 64 with few 128 x 128 images. After few iterations, DCGAN learnt to generate 128 x
# > 128."* (section 4)
#
# So we read it: when a level begins, the network that made 64 x 64 films makes 128 x 128 ones. It is shown the films of the level below, enlarged,
# and a *few* of them are replaced by their twin that has its own 128 x 128 pixels; the share rises until all are. How many and how fast, the paper
# leaves open. `MixedBatches` takes the share as a number, and the batch of a step is a function of its number alone, so that an interrupted run
# goes on with the very same films.

# %%
source(MixedBatches.batch)

# %%
low, high = levels[:2]
shown = films_at
if not films or len(films_at) < 8:  # our folder above has fewer films than a batch
    shown = Pyramid.build("phantom:normal:24", work / "phantoms", (low, high), progress=False)
batches = MixedBatches(shown, high, 8, previous=low)
for share in (0.0, 0.2, 0.5, 1.0):
    batch, replaced = batches.batch(0, share)
    print(f"share {share:.1f}: {replaced * 8:.0f} of 8 replaced; {batch.dtype} {batch.shape}")
print(f"grey levels from {batch.min():.2f} to {batch.max():.2f}")

# %% [markdown]
# A twin differs from its enlarged self by exactly what there is to learn at the new level.

# %%
twin, blurred = batches.batch(0, 1.0)[0], batches.batch(0, 0.0)[0]
apart = abs(twin - blurred)[:, 0]
panels = {
    f"{low}, enlarged": (blurred[0, 0] + 1) / 2,
    f"its twin, {high}": (twin[0, 0] + 1) / 2,
    "the difference, x 4": np.clip(0.5 + 4 * (twin - blurred)[0, 0] / 2, 0, 1),
}
worst = np.quantile(apart, 0.99)
print(f"They differ by {127.5 * apart.mean():.1f} grey levels of 255 on average,")
print(f"in one pixel of 100 by {127.5 * worst:.0f} or more.")
plots.show(
    pyramid_plots.plot_panels(panels, columns=3),
    alt="A film enlarged from the lower level, its sharper twin, and their difference: edges.",
)

# %% [markdown]
# ### Try it: the replaced share
#
# Move the share, then the step: other films, the same count. *fade* is the other way (ProGAN, Karras et al. 2018; the paper's related work, section
# 2): every film a blend of both. *jump* shows all at once.

# %%
mixing = ReplacedShare(shown, high, low)
mixing

# %%
plots.show(
    mixing.render(share=0.25),
    alt="A batch of eight films: two framed ones with their own pixels, six enlarged from the level below.",
)

# %% [markdown]
# ## Hold films out by patient
#
# Whoever asks later whether a generator copies needs films that it never saw. Two films of one patient are *not* the same file, so no hash finds
# them, but they are nearly the same picture. Below, a patient comes twice: a little turned, exposed a little differently, with other noise.

# %%
number, size = tiny(16, 8), 64
first = [phantom.draw_factors(seed) for seed in range(100, 100 + number)]
second = [replace(f, rotation=f.rotation + 1, exposure=1.05 * f.exposure) for f in first]
trained = np.stack([phantom.render(factors, size, seed=1) for factors in first])
held_out = np.stack([phantom.render(factors, size, seed=2) for factors in second])

distance = 255 * abs(held_out[:, None] - trained[None]).mean((2, 3))  # a row per held-out film
to_others = np.where(np.eye(number, dtype=bool), np.inf, distance)
own, nearest = distance.diagonal(), to_others.min(1)
print(f"For {np.mean(own < nearest):.0%} of {number} held-out films the nearest training film is the patient's own.")
print(f"Mean distance {own.mean():.1f} grey levels to it, {nearest.mean():.1f} to the nearest of another patient.")
trio = {
    "held out": held_out[0],
    f"same patient: {own[0]:.1f}": trained[0],
    f"nearest other: {nearest[0]:.1f}": trained[to_others[0].argmin()],
}
plots.show(
    pyramid_plots.plot_panels(trio, columns=3, side=2.0),
    alt="A held-out film, the same patient's film among the training films, and the nearest film of another patient.",
)

# %% [markdown]
# A test on such films praises memory. So: put **all films of a patient on one side**, before the pyramid is built. File names often hold the
# patient, as `00000013_005.png` does in a large public collection: patient 13, sixth film.
#
# ## Exercises
#
# Write over the line that raises, run the cell, then the one below it: it says whether the answer is right, and if not, what to look at.
#
# ### Exercise 1 · Grey levels and back
#
# Write `to_network`: whole numbers from 0 to the highest that `bits` bits can hold become float32 numbers from -1 to 1. And `to_levels`, the way
# back: uint8 for 8 bits, uint16 for more. What a Lanczos filter puts out, or a network without Tanh, may overshoot a little: it stays black or white.


# %% tags=["exercise"]
def to_network(levels, bits):
    raise NotImplementedError("exercise 1: scale so that 0 becomes -1 and the highest level becomes 1.")


def to_levels(values, bits):
    raise NotImplementedError("exercise 1: and back, to the nearest whole number.")


# %% tags=["solution"]
def to_network(levels, bits):
    highest = 2**bits - 1  # 255 and not 256: white must be exactly 1
    levels = levels.astype(np.float32)  # first of all: 2 * 200 does not fit into uint8
    return levels * np.float32(2 / highest) - np.float32(1)


def to_levels(values, bits):
    highest = 2**bits - 1
    levels = np.rint((values + 1) / 2 * highest)  # a cast alone cuts fractions off: half a level darker
    kind = np.uint8 if bits == 8 else np.uint16
    return np.clip(levels, 0, highest).astype(kind)  # 256 as uint8 is 0: a black pixel in white bone


# %% tags=["check"]
check.grey_levels(to_network, to_levels)

# %% [markdown]
# ### Exercise 2 · Shrink a film
#
# Write `reduce_film(film, resolution)`: each pixel of the result is the mean of the square block that it stands for. The side is a multiple of the
# resolution. One line of NumPy will do; the check also sends a fine grating through it.


# %% tags=["exercise"]
def reduce_film(film, resolution):
    raise NotImplementedError("exercise 2: the mean of each block.")


# %% tags=["solution"]
def reduce_film(film, resolution):
    fold = len(film) // resolution
    blocks = film.reshape(resolution, fold, resolution, fold)  # (block row, row in it, block column, column in it)
    return blocks.mean((1, 3))


# %% tags=["check"]
check.shrink(reduce_film)

# %% [markdown]
# ### Exercise 3 · How many are replaced?
#
# A share of 0.3 of 8 films is 2.4 films. Write `films_replaced(share, batch_size)`, the whole number of twins in the batch: the nearest, and at a
# half the higher one, so that a batch of 8 has its first twin from a share of 1/16 on.


# %% tags=["exercise"]
def films_replaced(share, batch_size):
    raise NotImplementedError("exercise 3: share * batch_size, rounded.")


# %% tags=["solution"]
def films_replaced(share, batch_size):
    return int(
        share * batch_size + 0.5
    )  # not round(): Python rounds 0.5 to 0 and 2.5 to 2, to the even neighbour


# %% tags=["check"]
check.films_replaced(films_replaced)

# %% [markdown]
# ### Exercise 4 · Who is on both sides?
#
# Two lists of files, such as `normal/00000013_005.png`: a folder, then the patient, an underscore, the number of the film. Write
# `shared_patients(training, held_out)`, the set of the patients (`"00000013"`) with films in both.


# %% tags=["exercise"]
def shared_patients(training, held_out):
    raise NotImplementedError("exercise 4: the patients in both lists.")


# %% tags=["solution"]
def shared_patients(training, held_out):
    def patients(names):
        return {
            Path(name).name.split("_")[0] for name in names
        }  # the folder is the class, and a patient may be in both

    return patients(training) & patients(held_out)


# %% tags=["check"]
check.patients_on_both_sides(shared_patients)

# %% [markdown]
# ## Recap
#
# 1. What are D1 to D5, and which of them would you leave out, or add? Why?
# 2. A 12-bit film looks black. What happened, and how does `read_film` prevent it?
# 3. 45 stripes, every fourth of 96 pixels kept: how many stripes does one see, and what should one see?
# 4. Half of your films have 1024 pixels a side. What does D5 hold of them, and how would you notice without being told?
# 5. A batch of 8 at share 0.25: how many films are sharp, how are the others made, and what would *fade* show instead?
# 6. Why is a file's hash not enough to keep training and held-out films apart?
#
# <details><summary>Answers</summary>
#
# 1. The same films at 64, 128, 512, 1024 and 2048 pixels. 256 is missing between 128 and 512: a step of 4 asks for two new layers at once. D5 is
#    idle where no film has 2048 pixels of its own.
# 2. It was divided by 65535, though its white is 4095. `read_film` takes the smallest usual depth that holds the highest value.
# 3. 24 pixels are left, which hold 12 stripes; 45 - 2 x 24 = -3: three false ones. Even grey would be right.
# 4. Their enlarged selves: four times the pixels and nothing new. The power spectrum falls away above 512 cycles per film; `Pyramid.native` counts
#    it.
# 5. Two; six are enlarged from the level below, bilinearly. *fade* would show eight blends, a quarter sharp and three quarters enlarged.
# 6. Two films of one patient have different bytes and nearly the same picture. Split by patient.
#
# </details>
#
# **Where your numbers may differ.** Phantoms, batches and the pyramid's fingerprint are functions of their seeds and repeat on your machine;
# another processor or version of NumPy or Pillow may change a last digit. The phantoms are synthetic and simpler than people: nothing here is for
# diagnosis.
#
# ## References
#
# - The paper: sections 2 (ProGAN; Prabhu et al.), 3.1 (Tanh) and 4 (data sets D1 to D5, replacement), Figures 5 and 6. What it states and leaves
#   open: `docs/paper.md`.
# - Radford, Metz, Chintala 2015, *Unsupervised representation learning with deep convolutional GANs*: grey levels to the range of Tanh.
# - Karras, Aila, Laine, Lehtinen 2018, *Progressive growing of GANs*: fading.
# - Parmar, Zhang, Zhu 2022, *On aliased resizing and surprising subtleties in GAN evaluation*: what careless reduction does to scores.
# - Prabhu, Balamurugan, Vengatesan 2019: the histogram-equalised intelligent filter (cited in section 2).
# - DICOM PS3.3, C.7.6.3 (pixels) and C.11.2 (windows).
#
# Next: [04 · Incremental training](04_incremental_training.ipynb), where these batches teach a network.
