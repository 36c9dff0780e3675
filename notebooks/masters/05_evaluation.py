# %% tags=["imports"]
import tempfile
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown, display
from scipy.stats import binom

from idcgan import evaluate, make_study
from idcgan import evaluation_plots as draw
from idcgan import report_figures as figures
from idcgan.copies import chance_beyond, copies_p, flagged, search
from idcgan.course import held_out_phantoms, opening, project_folder, run_to_judge, source, tiny
from idcgan.description import joined
from idcgan.distortions import DISTORTIONS, HonestFilms, blurred, fewer_levels, jpeg, shrunk
from idcgan.exercises import evaluation as check
from idcgan.features import load_features
from idcgan.filmset import changed_items
from idcgan.measures import fid, kid
from idcgan.measures_widget import SpoilFilms, said
from idcgan.memorising import beliefs, discriminator_of
from idcgan.objectives import generator_loss
from idcgan.plots import plot_losses, plot_rows, show
from idcgan.pool import Pool
from idcgan.settings import Settings
from idcgan.significance import interval, kid_bootstrap, p_value
from idcgan.usefulness import usefulness
from idcgan.verdicts import limits, verdicts
from idcgan.widgets import ReaderStudy
from idcgan.yardstick import Yardstick, pairs_of_sets

# %% tags=["parameters"]
run = ""  # a run folder; empty: your newest finished run on phantom films, else one trained here in half a minute
real = ""  # held-out films of the same kind; empty: phantom films that no run was trained on

# %%
opening("sample", "report")

# %% [markdown]
# ## Are the films any good?
#
# The paper shows films (Figures 7 and 8), counts them (846, section 4) and names no measure of their quality: no distance to real films, no measure
# of variety, no look for copies of its 138 and 76 training films, no classifier trained on the result. Its algorithm says "Check Generator and
# Discriminator loss", and Figures 2 to 4 are those losses. This notebook asks the four questions that the losses leave open: do the films look
# **real**, are they **varied**, are they **copies**, are they of **use**?
#
# A measure is an instrument, and an instrument is tried on what is known before it is believed. So we spoil phantom films on purpose, one fault at
# a time, and watch which measure notices. What we learn there we take to a run.
#
# The films are 64 x 64 and few, so that this runs on a laptop. Figures repeat on the same machine with the same versions; on another they differ in
# the last digits, and the run that is trained here, which is stopped by the clock, differs altogether.

# %% [markdown]
# ## Films of known truth
#
# Three sets of honest phantom films share none: *training* films, *held-out* films, and *fresh* ones, which stand where a perfect generator's
# would. A fault is something done to the fresh ones.

# %%
runs = project_folder() / "runs"
seen = tiny(runs / "descriptions", Path(tempfile.mkdtemp()))  # what was seen of a film is kept: the next time takes seconds
network = load_features()
films = HonestFilms(count=tiny(40, 8), resolution=64)
spoilt = {name: fault.items(films) for name, fault in DISTORTIONS.items()}

rows = {name.replace(" ", "\n"): np.stack([item.film() for item in items[:6]]) for name, items in spoilt.items()}
show(plot_rows(rows, side=0.95), alt="Six films of every set: honest ones, then sets with one fault each.")

# %%
for fault in DISTORTIONS.values():
    print(f"{fault.name:13} {fault.truth}")

# %% [markdown]
# ## Real against real: the floor
#
# EfficientNet-Lite0, a network that has learnt to name photographs, turns each film into 1,280 numbers, its *features*; most measures here
# compare these. KID (Binkowski et al. 2018) asks it of two sets: films of the two sets should be as alike as films within either. For real films
# against real films it is 0, *on average*. How far from 0 is chance? Draw two sets of real films, again and again, and look. That spread is the
# **floor**: what chance alone makes of real films. Not even a perfect generator can be expected to do better.

# %%
source(kid)

# %%
yardstick = Yardstick(films, network, seen, draws=tiny(199, 39))
floor = yardstick.floors["kid"]
low, high = floor.draws.min(), floor.draws.max()
print(f"KID x 1000 of {films.count} real films against {films.count} others: from {low:.1f} to {high:.1f} in {len(floor.draws)} draws")
print(f"the middle is {floor.middle:.1f}; 95 of 100 draws stay below {floor.middle + floor.reach:.1f}")

# %% [markdown]
# A figure has an **interval** too. Had we drawn other films from the same generator, it would be another figure. The *bootstrap* asks the films at
# hand: draw as many of them, with repetition, work the figure out anew, do that some hundred times, and keep the middle 95 %.


# %%
source(kid_bootstrap)

# %%
sets = {name: yardstick.look(spoilt[name]) for name in ("as they are", "collapsed", "other class")}
pools = {name: Pool(made.films, yardstick.held_out.films) for name, made in sets.items()}
drawn = {name: kid_bootstrap(pool, tiny(300, 50), np.random.default_rng(0)) for name, pool in pools.items()}
show(
    draw.plot_floor(floor, drawn, "KID x 1000"),
    alt="A histogram of KID between real films around 0; below it the intervals of honest, collapsed and abnormal films.",
)

# %% [markdown]
# (A film that is drawn twice counts twice, but it and its own copy are no pair: they would be as alike as two films can be.) Two rules for reading:
# compare a figure with its floor, never with 0; and two figures whose intervals overlap widely are *not shown to differ*, which is not the same as
# equal (where both come from the same seeds, look at the differences instead: exercise 4).
#
# For every other measure the package draws random halves of both sets, and a test shuffles the two sets: how often do shuffled films lie as far
# apart?

# %%
source(interval, p_value)

# %% [markdown]
# ## Which measure notices what?
#
# The measures, a line each; *near* is by features.
#
# - **KID**: how alike pairs within the made set are, and pairs within the real set, less twice how alike pairs between them are (exercise 2).
# - **FID**: a normal distribution, mean m and covariance S, is fitted to each set's features;
#   $|m_1 - m_2|^2 + \mathrm{tr}(S_1 + S_2 - 2 (S_1 S_2)^{1/2})$.
# - A ball around each real film reaches to its 5th nearest real film. **Precision**: the share of made films in at least one ball. **Density**: in
#   how many balls a made film lies, as a mean, divided by 5; about 1 for real films. **Coverage**: the share of balls that hold a made film.
#   **Recall**: balls around made films instead, and the share of real films in at least one.
# - **Vendi**: the films are as varied as this many films that have nothing in common.
# - **Sliced Wasserstein**: patches of 7 x 7 pixels at every scale, projected on random directions; how far the two distributions lie apart.
# - **Power spectrum** and **checkerboard** (decibels), **grey levels** (of 255): how far the spectra, the frequencies of a grid, the histograms
#   differ.
# - **Near-copies**: the share of films nearer to a training film than any held-out film is, by features or by pixels.
#
# Now each on each set, in one unit: **floors**. 0 is the middle of real against real, and 1 is the distance that 95 of 100 draws of
# real films do not reach. Below each figure its 95 % interval; coloured means noticed.

# %%
readings = {name: yardstick.judge(yardstick.look(items)) for name, items in spoilt.items()}
show(draw.plot_table(readings), alt="Twelve measures on nine sets of films, in floors; what is noticed is coloured.")

# %%
for name, fault in DISTORTIONS.items():
    print(f"{name:13} {said(fault, readings[name])}")

# %% [markdown]
# Read it by rows. **KID and FID** see most changes of looks, a faint grid as well as a heavy blur, and do not say which it was; a shift of exposure
# they can miss. **Precision and density** ask whether a made film lies among real ones. Of the **texture** measures `checkerboard` is made for the
# grid, `grey levels` for the exposure, `power spectrum` for sharpness and grain (a grid is in it too), `sliced Wasserstein` for patches at every
# scale.
# **Recall and coverage** fall when kinds of film are missing, *and also when all films look wrong*, for then no real film has a made one near it:
# read them as variety only where precision is fine. **Vendi** looks at the made films alone: it sees repetition, and can miss a kind that is gone.
# **Near-copies** alone sees copies: *by every measure of quality a copy is a perfect film*.
#
# Read it by columns. With nothing wrong, one in twenty still raises its voice: that is what 95 of 100 means, and there are twelve measures. And
# where a fault is certain and nothing notices, the films are too few.

# %% [markdown]
# ## Try it
#
# Choose a fault and how much of it. How little does each measure need? Which one notices a few copies, and which one a grid that you cannot see?

# %%
widget = SpoilFilms(yardstick, "grid")
widget

# %% [markdown]
# The same picture without a widget:

# %%
show(
    widget.render("grid", DISTORTIONS["grid"].usual),
    alt="Three films, the same under a faint grid, and every measure in floors: the checkerboard measure and the network notice.",
)

# %% [markdown]
# ## How many films does it take?
#
# FID (Heusel et al. 2017) needs a covariance of 1,280 features. Forty films vary in at most 39 directions; along all others the fitted spread is 0,
# and the figure is too high by an amount that depends on the number of films and on the generator. Two sets of honest films, many times:

# %%
many = HonestFilms(tiny(100, 10), films.resolution)
honest = [yardstick.look(items) for items in (many.fresh, many.training, many.held_out)]
pool = Pool(joined(honest[0].films, honest[1].films), honest[2].films)
counts = tiny([10, 20, 40, 75, 150], [4, 8, 12])
draws = {n: pairs_of_sets(3 * many.count, n, 40, 0) for n in counts}
by_count = [{n: np.array([of(pool, a, b) for a, b in pairs]) for n, pairs in draws.items()} for of in (fid, kid)]
show(
    draw.plot_by_count(counts, *by_count),
    alt="FID of honest films falls steeply with their number; KID stays around 0 and its spread shrinks.",
)

# %%
for n in (counts[0], counts[-1]):
    print(f"{n:3} honest films: FID {by_count[0][n].mean():5.1f}, KID x 1000 {by_count[1][n].mean():5.1f} on average")

# %% [markdown]
# That is why KID leads here and FID is only ever read beside a floor of as many films. It is one reason why an FID from a paper cannot be compared
# with one of yours. The other: published FID and KID use the features of Inception-v3, the I in both names, and here they are those of
# EfficientNet-Lite0: the idea is the same, the scale another. Compare figures of one network, one number of films, one way of storing.
#
# And the kind that was dropped? The same fault, seen by more and more films:

# %%
diversity = ("kid", "fid", "recall", "coverage")
power = {key: {} for key in diversity}
for n in tiny((20, 40, 70, 100), (8, 10)):
    group = HonestFilms(n, films.resolution)
    judge = Yardstick(group, network, seen, draws=99, keys=diversity)
    for key, found in judge.judge(judge.look(DISTORTIONS["kind dropped"].items(group))).items():
        power[key][n] = found
show(draw.plot_power(power), alt="KID, FID, recall and coverage of films with a kind dropped, in floors, by number of films.")

# %% [markdown]
# "Cannot be told apart" always means: *by this many films*. Say how many.

# %% [markdown]
# ## Eight bits, and how a film was made small
#
# The measures do not know what is the generator's doing and what is the way a film was stored. Here nothing but the storing differs: films of 256
# reduced to 64 with the filter that the pyramid uses, or by leaving pixels out (Parmar et al. 2022); films packed as JPEG; grey levels left out.

# %%
large = HonestFilms(films.count, 4 * films.resolution).fresh
stored = {
    "reduced with a filter": changed_items(large, "filtered", lambda film: shrunk(film, films.resolution)),
    "every fourth pixel": changed_items(large, "skipped", lambda film: shrunk(film, films.resolution, filtered=False)),
    "JPEG, quality 75": changed_items(films.fresh, "jpeg 75", jpeg),
    "16 grey levels": changed_items(films.fresh, "4 bits", lambda film: fewer_levels(film, 4)),
}
stored_readings = {name: yardstick.judge(yardstick.look(items)) for name, items in stored.items()}
show(draw.plot_bars(stored_readings), alt="Every measure in floors for films stored in four ways.")

# %%
for name, found in stored_readings.items():
    print(f"{name:22} KID is {found['kid'].multiple:5.1f} floors")

# %% [markdown]
# Real and made films must go the same way: the same filter, the same file format, the same 8 bits (`evaluate` rounds a network's films as `idcgan
# sample` does). Otherwise a table compares encoders.

# %% [markdown]
# ## Copies
#
# How near is too near? *Held-out* films tell: the generator never saw them, so however near one of them lies to a training film, it came there
# without copying. The nearest of *n* held-out films draws the line, and a made film *nearer* than that is flagged. Where made films copy nothing,
# each is like one more held-out film, and any of the *n* + 1 is as likely the nearest: 1 in *n* + 1. Two searches look, one by features, one by
# pixels of films laid over each other, each with a line of its own, so a flag has a chance of at most 2 in *n* + 1.
#
# How many flags are too many? If one search flags k films, the k smallest of all distances are theirs; *p* is the chance of that when the order is
# random, doubled for two searches. At 0.05 and below, the report speaks of copies.

# %%
source(flagged, copies_p, chance_beyond)

# %%
known = search(yardstick.held_out.films, yardstick.training.films)
for name in ("as they are", "copied"):
    found = search(yardstick.look(spoilt[name]).films, yardstick.training.films)
    beyond = flagged(found, known).sum()
    print(f"{name:12} {beyond:2} of {films.count} films nearer than the line, p = {copies_p(found, known):.2g}")

# %% [markdown]
# A generator that hands out its training films would head any ranking by quality. Look for copies first, and keep films back before you train:
# without held-out films there is no line.

# %% [markdown]
# ## A run, judged
#
# Now the films of a network: of the run that the parameters name, else of your newest finished run on phantom films (notebook 04 leaves one), else
# of one that is trained here in half a minute.

# %%
folder = run_to_judge(run, runs)
held_out, trained_on = real or held_out_phantoms(folder, tiny(48, 12)), folder.run["data"]["films"]
levels = folder.run["levels"]
steps = sum(level["steps"] for level in levels.values())
print(f"{folder.path.name}: trained to {' and '.join(levels)} pixels in {steps} steps on {trained_on}")

# %%
source(evaluate)

# %%
settings = Settings(count=tiny(48, 12), draws=tiny(99, 19), cache=seen, progress=False)
report, evidence = evaluate(folder.path, held_out, settings=settings)
sets = {"made": evidence.made, "held out": evidence.held_out}
shown = {name: np.stack([item.film() for item in part.items[:8]]) for name, part in sets.items()}
show(plot_rows(shown), alt="Eight films of the run above eight held-out films.")

# %%
show(figures.plot_places(report), alt="Each measure on an axis of its own: the run's films, real films, spoilt films.")

# %% [markdown]
# Each axis has the films in question (orange), real films (blue: training films against held-out ones; paler: halves of the held-out ones, half as
# many films, which most measures, but not KID, density and coverage, read as worse or as less varied) and landmarks: real films blurred fourfold,
# the other class, noise. Three measures more stand here. *FID, extrapolated*: the FID that endless films would have, by a line through the FID of
# fewer and fewer. *MS-SSIM of pairs*: how alike two films of a set are, pixel by pixel at five scales; 1 is one film again and again. *MiFID*: FID
# towards the training films, divided by how near the films come to these where that is nearer than 0.1. And the red star, a *copy machine*, is what
# the training films themselves score in the place of the made ones.
#
# In words, as `idcgan evaluate` writes them. Two terms first. ***p*** is how often chance alone, with nothing wrong, gives a figure at least this
# bad; at 0.05 and below the report says *told apart*. ***Membership***: could somebody who holds a patient's film find out that it was trained on?
# Two attacks are tried: training films may lie nearer to the made films than held-out ones do, and D may believe in them more. The score is an AUC,
# how often a training film gets the higher score of two; 0.5 is guessing. (D is asked for each of its verdicts, on whole films and on patches, and
# the one that tells most counts: the best of several lies a little above 0.5 by luck alone, and how far is the *chance* printed below.) A run can
# give its members away without a single near-copy.

# %%
source(verdicts)

# %%
display(Markdown("\n\n".join(f"**{verdict['question']}** {verdict['answer']}" for verdict in verdicts(report))))

# %%
display(Markdown("**Limits**\n\n" + "\n".join(f"- {sentence}" for sentence in limits(report))))

# %%
show(figures.plot_nearest(report), alt="How near the run's and the held-out films come to their nearest training film.")

# %% [markdown]
# ## The losses do not show which films are better
#
# Figures 2 to 4 of the paper are curves like these.

# %%
show(plot_losses(folder.history()), alt="Both losses by step, and D's belief in real and made films.")

# %% [markdown]
# They show whether there is still a game. They cannot show which films are better: the loss is a *mean over films of what D says of each*. Put films
# of known truth in the place of G's and read the loss that they would cost G. D is asked film by film here, with the batch norm statistics that it
# has learnt. (In training its batch norm mixes the films of a batch, and they are shifted at random, so the log's figures differ, and D has a faint
# view of a film's neighbours.)

# %%
judge_d = discriminator_of(evidence.subject)  # none where the checkpoint is gone
if judge_d is not None:
    train_settings = folder.run["config"]

    def g_losses(part):
        logits = torch.from_numpy(beliefs(judge_d, part)).float()
        kind = [train_settings[key] for key in ("labels", "generator_loss", "objective")]
        return np.array([generator_loss(logit[None], *kind).item() for logit in logits])

    blurred_films = yardstick.look(changed_items(evidence.held_out.items, "blurred 1", lambda film: blurred(film, 2)))
    sets = {
        "films of the run": evidence.made,
        "held-out real films": evidence.held_out,
        "the same, blurred": blurred_films,
        "training films (all copies)": evidence.training,
    }
    losses = {name: g_losses(part) for name, part in sets.items()}
    best = losses["held-out real films"].min()
    losses["one film again and again"] = np.full(len(evidence.held_out), best)
    words = "G's loss film by film: the run's films, real, blurred and copied ones, and one film again and again."
    display(show(draw.plot_losses_of_sets(losses), alt=words))
    print(f"held-out films {losses['held-out real films'].mean():.2f}; their luckiest one, again and again, {best:.2f}")

# %% [markdown]
# The last row is arithmetic, not a measurement: repeat the held-out film that D likes best, the complete collapse, and the mean is that film's
# loss, the lowest that a set of held-out films can have. A mean over films that are judged one by one cannot see variety, and what D learns of it
# through batch norm is no number in the log. Copies cost nothing either. And D changes while it learns: a falling loss of G may be a better G or a
# weaker D.

# %% [markdown]
# ## Are they of use?
#
# The paper's related work (section 2; Bhagat and Bhaumik 2019) trains a classifier on 8,273 real films (79.5 % right) and on
# 22,276 after augmentation (91 %): better films, or only more of them? The paper
# does not repeat that test with its own films. Ours trains a small classifier of normal against abnormal on real films, on made ones, on both,
# and tests it on held-out real ones. Its score is the AUC: how often an abnormal film gets a higher score than a normal one; 0.5 is chance, 1 is
# perfect. Two generators of known truth: a perfect one, and one that blurs.

# %%
classes = ("normal", "abnormal")


def looks(change=None, seed=2):
    """Features by class of films of a seed, changed or not."""
    items = {c: films.drawn(seed, c) for c in classes}
    return {c: yardstick.look(change(of) if change else of).films.features for c, of in items.items()}


learnt, tested = looks(seed=0), looks(seed=11)
smooth = looks(lambda items: changed_items(items, "blurred 1", lambda film: blurred(film, 2)))
generators = {"perfect": looks(), "blurring": smooth}
use = {name: usefulness(learnt, made, tested, seed=0, draws=tiny(40, 4)) for name, made in generators.items()}
for name, found in use.items():
    gain, (low, high) = found["gain"]["value"], found["gain"]["interval"]
    print(f"{name:9} films added: AUC changes by {gain:+.3f} (95 %: {low:+.3f} to {high:+.3f})")
show(
    figures.plot_usefulness(use["perfect"]),
    alt="AUC of classifiers trained on real films, made films and both, with intervals, and with shuffled labels.",
)

# %% [markdown]
# Ask for the *gain* with its interval, on the same seeds and the same held-out films. With so few held-out films even a perfect generator's gain
# may not show. Made films can add only what the generator has learnt somewhere: from its training films, or from what its networks had seen before
# (phantoms and photographs, in `recommended`); the *perfect* one above is better than any, for it draws new films from the truth.

# %% [markdown]
# ## Ask people
#
# Bhagat and Bhaumik showed a radiologist 128 films, 64 real and 64 synthetic. How many must a reader get right before we believe that they can be
# told apart?

# %%
needed = {n: int(binom.isf(0.025, n, 0.5)) + 1 for n in (16, 32, 64, 128)}
for n, right in needed.items():
    chance = 2 * binom.sf(right - 1, n, 0.5)  # of either kind: a reader who is wrong far too often can tell them apart, too
    print(f"{n:3} films: {right} right ({right / n:.0%}); a guesser strays as far from half with a chance of {chance:.3f}")

# %% [markdown]
# What the paper reports of that radiologist is a sentence, not a number: real and synthetic images "possessed similar characteristics and features"
# (section 2). Without counted answers, nobody can say whether films were told apart.
#
# Be the reader. (Answers are kept in the study's folder as they come; this one is temporary. For a study that lasts: `idcgan study make`, README.)

# %%
their_real = real if real and Path(real).is_dir() else ":".join(folder.run["data"]["films"].split(":")[:2])
gone_at_the_end = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # it holds the real films
count = min(tiny(64, 4), len(evidence.held_out))
study = make_study(folder.path, their_real, Path(gone_at_the_end.name) / "study", count=count, side=128, progress=False)
reading = ReaderStudy(study, "you")
reading.film.layout.width = reading.film.layout.height = "256px"
reading

# %%
first = reading.render()
first.set_size_inches(2.6, 2.9)
show(first, alt="The first film of the study: real or synthetic?")

# %% [markdown]
# ## Exercises
#
# Each ends with a check that says what is right or wrong.
#
# ### Exercise 1 · A floor
#
# Write the floor of any distance from one set of real films: divide them `splits` times at random into two halves that share no film, and return
# the `splits` distances. Take every draw from `np.random.default_rng(seed)`.


# %% tags=["exercise"]
def floor_of(films, distance, splits, seed):
    """(n, ...) films, n even; distance(a, b) -> float. Returns (splits,) distances between random halves."""
    raise NotImplementedError("exercise 1: shuffle the films, cut them in the middle, ask for the distance; do that `splits` times.")


# %% tags=["solution"]
def floor_of(films, distance, splits, seed):
    """(n, ...) films, n even; distance(a, b) -> float. Returns (splits,) distances between random halves."""
    rng, half = np.random.default_rng(seed), len(films) // 2
    found = []
    for _ in range(splits):
        order = rng.permutation(len(films))  # one shuffle, cut in two: no film can be in both halves
        found.append(distance(films[order[:half]], films[order[half:]]))
    return np.array(found)


# %% tags=["check"]
check.floor(floor_of)

# %% [markdown]
# ### Exercise 2 · KID without bias
#
# With the kernel $k(x, y) = (x \cdot y / d + 1)^3$ of two films' $d$ features,
#
# $$\mathrm{KID}(A, B) = \frac{\sum_{i \neq j} k(a_i, a_j)}{n (n - 1)} + \frac{\sum_{i \neq j} k(b_i, b_j)}{m (m - 1)}
# - \frac{2}{n m} \sum_{i, j} k(a_i, b_j).$$
#
# In numpy, `(a @ b.T / d + 1) ** 3` is the kernel of all pairs at once. The $i \neq j$ is what makes it unbiased: a film is no evidence for its own
# likeness.


# %% tags=["exercise"]
def kid_of(a, b):
    """(n, d) and (m, d) features -> float, not times 1000."""
    raise NotImplementedError("exercise 2: three kernels; leave the diagonal out of two of them.")


# %% tags=["solution"]
def kid_of(a, b):
    """(n, d) and (m, d) features -> float, not times 1000."""

    def kernel(x, y):
        return (x @ y.T / a.shape[1] + 1) ** 3

    def within(x):
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))  # the diagonal is each film with itself

    return within(a) + within(b) - 2 * kernel(a, b).mean()  # below 0 now and then, as it should be


# %% tags=["check"]
check.unbiased_kid(kid_of)

# %% [markdown]
# ### Exercise 3 · Is this a copy?
#
# Flag the made films that lie nearer to a training film (Euclidean distance of the features) than *every* held-out film does.


# %% tags=["exercise"]
def is_a_copy(made, training, held_out):
    """(n, d), (m, d), (h, d) features -> (n,) bool."""
    raise NotImplementedError("exercise 3: the nearest training film of each made film, and of each held-out film.")


# %% tags=["solution"]
def is_a_copy(made, training, held_out):
    """(n, d), (m, d), (h, d) features -> (n,) bool."""

    def nearest(films):  # (n, 1, d) - (1, m, d): every film with every training film
        return np.linalg.norm(films[:, None] - training[None], axis=-1).min(axis=1)

    return nearest(made) < nearest(held_out).min()  # the line is drawn by films that nobody can have copied


# %% tags=["check"]
check.is_a_copy(is_a_copy)

# %% [markdown]
# ### Exercise 4 · Which table may claim an improvement?
#
# KID x 1000 of the same seeds, before and after a change:
#
# | | seed 0 | seed 1 | seed 2 | seed 3 | seed 4 |
# | --- | --- | --- | --- | --- | --- |
# | A before | 52 | | | | |
# | A after | 47 | | | | |
# | B before | 50 | 52 | 49 | 51 | 53 |
# | B after | 51 | 53 | 10 | 50 | 51 |
# | C before | 30 | 70 | 45 | 60 | 52 |
# | C after | 27 | 68 | 42 | 57 | 48 |
#
# Guess first. Then write the rule: draw the seeds with repetition, 2,000 times; an improvement may be claimed where the middle 95 % of the *mean
# change* lies wholly below 0. Fewer than five seeds may claim nothing: if a change does nothing, all n seeds are better by luck with a chance of 1 in
# 2ⁿ, which is 1 in 4 for two seeds and 1 in 32 for five. (The bootstrap of so few seeds is too narrow, too: take its 95 % with salt.)


# %% tags=["exercise"]
def may_claim(before, after):
    """Figures by seed, lower is better -> bool."""
    raise NotImplementedError("exercise 4: the change of every seed, its mean over seeds drawn anew, the 97.5 % quantile of that.")


# %% tags=["solution"]
def may_claim(before, after):
    """Figures by seed, lower is better -> bool."""
    change = np.subtract(after, before)  # by seed: what seeds differ by among themselves falls out
    if len(change) < 5:
        return False  # all better by luck: 1 in 2 ** len(change)
    means = np.random.default_rng(0).choice(change, (2000, len(change))).mean(axis=1)
    return bool(np.quantile(means, 0.975) < 0)


# %% tags=["check"]
check.may_claim(may_claim)

# %% [markdown]
# ## Recap
#
# 1. Why is KID compared with a floor, and not with 0?
# 2. Which of the measures notices a grid that nobody sees, and which one an exposure that is off?
# 3. A generator hands out its training films. What do KID, recall and the search for copies say?
# 4. Why is FID not used to compare runs judged with different numbers of films?
# 5. Nothing notices a fault. What are the two possible reasons?
# 6. G's loss fell during the last epoch. What does that say of the films?
#
# <details><summary>Answers</summary>
#
# 1. Two sets of real films do not have a KID of exactly 0; the floor says how far from it chance alone leads, for this many films.
# 2. `checkerboard` the grid (KID and FID notice it too, without saying what it is); `grey levels` the exposure.
# 3. KID and recall see perfect films. Only the search for copies, with its line drawn by held-out films, notices.
# 4. Its bias falls with the number of films, so that more films alone make it better.
# 5. The measure does not look at it, or the films are too few to tell.
# 6. Nothing by itself: it is a mean over films, all but blind to variety and copies, and measured by a D that has changed as well.
#
# </details>
#
# ## References
#
# Binkowski et al. 2018 (KID) · Heusel et al. 2017 (FID) · Chong and Forsyth 2020 (FID's bias) · Kynkaanniemi et al. 2019 (precision, recall) ·
# Naeem et al. 2020 (density, coverage) · Karras et al. 2018 (sliced Wasserstein) · Durall et al. 2020 (spectra) · Odena et al. 2016 (checkerboards)
# · Friedman and Dieng 2023 (Vendi score) · Parmar et al. 2022 (resizing) · Meehan et al. 2020, Hilprecht et al. 2019 (copies, membership) · Bhagat
# and Bhaumik 2019 (the reader study and the classifier that the paper cites). What each measure costs, and a report on a run with real films:
# `docs/evaluation.md`.
#
# **Next:** 09 · Compare runs, many runs beside each other; 10 · The paper's tables and figures.
