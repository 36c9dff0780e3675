# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% tags=["imports"]
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch
from IPython.display import Markdown, display

from idcgan import InputError, Live, MixedBatches, check_dcgan_rules, load_generator, train, train_or_resume
from idcgan.building import build, grow, silence
from idcgan.config import configure
from idcgan.course import mean_of, opening, project_folder, source, tiny
from idcgan.exercises import incremental_training as check
from idcgan.fixed_maps import halve
from idcgan.intake import cores
from idcgan.levels import run_levels
from idcgan.live import steer
from idcgan.loader import open_or_build
from idcgan.moments import read_moments
from idcgan.moves import move_d, move_g, one_after_the_other
from idcgan.objectives import generator_loss, loss_on_fake, loss_on_real
from idcgan.paper import settings_table
from idcgan.parameters import changes_of
from idcgan.plots import plot_losses, plot_rows, show, show_picture
from idcgan.records import default_out
from idcgan.sampling import picture
from idcgan.schedule import Schedule, only_enlarged
from idcgan.training_plots import CANNOT_TELL, plot_moves, plot_plan
from idcgan.training_widget import Dashboard, TimeMachine, practice, with_growth

# %%
opening("batches", "step", "grow", "run")

# %% [markdown]
# A network that has learnt chest films at 64 x 64 is shown a few at 128 x 128, then more, until it makes 128 x 128 films itself; then 256, and so
# on to 2048. This notebook trains one such run, on your films or on the embedded phantom films. It is also what `make run` and batches execute:
# [papermill](https://papermill.readthedocs.io) puts other values below the next cell, runs everything, and leaves the notebook in the run folder.
#
# ## What this run is made of
#
# Empty and 0 leave a choice to the preset. Paths are seen from the folder of this notebook. With films of your own, pictures of them stay in the
# outputs (the mixed batches), so clear these before you pass the notebook on.

# %% tags=["parameters"]
films = "phantom:normal"  # a folder of films, a pyramid, or phantom:normal / phantom:abnormal
label_class = ""  # a subfolder of films, such as normal or abnormal
preset = "laptop"  # recommended, quick, long, growing, laptop, tiny, paper-normal-15, paper-normal-20, paper-abnormal-10, paper-abnormal-20
epochs = 0
minutes = 0.0
resolutions = ""  # such as 64,128,256
seed = 0
changes = ""  # fields of the config that are not above, written as for --set, with blanks between
out = ""  # the run folder; empty: runs/ and a name with the time

# %%
if tiny(False, True):  # tests: the same cells in seconds
    films, preset, out = "phantom:normal:48", "sketch", f"{tempfile.mkdtemp()}/run"

more = changes_of(changes)
steps_through = preset == "laptop" and not (epochs or minutes or out)  # someone who waits for it
if steps_through:
    more = {"log_every": 2, **more}
    torch.set_num_threads(max(1, cores() - 1))  # a core for the browser: threads that wait for one are slow
config = configure(preset, films, label_class, resolutions, epochs, 1.0 if steps_through else minutes, seed, **more)
growing = with_growth(config)
if growing is not config:
    low, high = growing.resolutions
    print(f"{config.preset} begins at {config.resolutions[0]} and is not grown to that; the cells about growth show how it would be, {low} to {high}")

# %%
run_folder = Path(out) if out else project_folder() / default_out(films, config.label_class)
length = f"{config.minutes:g} minutes" if config.minutes else f"{config.epochs} epochs"
print(f"{films}: {' → '.join(map(str, config.resolutions))}, preset {config.preset}, {length}")
print(f"run folder {run_folder.name}")

# %% [markdown]
# Left as it is, this takes a minute of training; `make run` takes the preset's three and a half. The paper's own settings are presets
# too. Its Tables 1 to 3 fix the batch, the learning rate and the width, Table 4 tells the time. How many steps that is follows from the number of
# films (section 4); whether the epochs are meant for the whole run, as here, or for each level the paper does not say.

# %%
Markdown(settings_table())

# %% [markdown]
# ## The algorithm
#
# The algorithm IDCGAN (section 3.1) is a dozen lines long. Each has its place in the package:
#
# | the paper says | here |
# | --- | --- |
# | initialise worker threads, batch size, channels, epochs, learning rate | `RunConfig`, the cell above |
# | load the datasets using worker threads | `Loader`, batches prepared ahead |
# | create object instances for Generator and Discriminator; ReLU, Tanh, Leaky ReLU | `build` |
# | start training Generator and Discriminator | `step`: `move_d`, then `move_g` |
# | incrementally change the resolution of images in the training dataset | `MixedBatches`, `raise_resolution` |
# | check Generator and Discriminator loss | `Watch`, and you |
# | continue for all epochs, till high-resolution images are generated | `run_levels` |
#
# The outer loop is short enough to be read as it is: train a level, write down what it leaves behind, raise the resolution, save, go on.

# %%
source(run_levels)

# %% [markdown]
# ## The films at every level
#
# The paper (section 4) copies its films into sets D1, D2, ..., one per resolution. Here they are one folder, a *pyramid*, built once and kept
# beside the runs.

# %%
shelf = run_folder.parent / "pyramids"
pyramid = open_or_build(films, config, shelf)
rows = {f"D{i}\n{r} x {r}": pyramid.level(r)[:6] for i, r in enumerate(pyramid.resolutions, 1)}
show(plot_rows(rows), alt="Six films at every level of the pyramid: the same chests, sharper from row to row.")

# %% [markdown]
# ## Replacement: a mixed batch
#
# "Incrementally the samples are modified by replacing 64 x 64 with few 128 x 128 images" (section 4). As we read it: when a level begins, the films
# of the level below are shown enlarged, and a few are replaced by their higher-resolution twin; the share rises until all are. Each row is the same
# batch.

# %%
low, high = growing.resolutions[:2]
try:
    twins = pyramid if growing is config else open_or_build(films, growing, shelf)
except InputError:  # a pyramid of yours, without these levels
    growing = dataclasses.replace(growing, label_class="normal")
    twins = open_or_build("phantom:normal:24", growing, shelf)
    print("the pyramid has not the levels that a growing run would have: phantoms stand in for your films here")
batches = MixedBatches(twins, high, growing.batch_at(1), low, "replace", growing.seed)
mixed = {f"{share:.0%} replaced": batches.batch(0, share)[0] for share in (0.0, 0.25, 0.5, 1.0)}
show(plot_rows(mixed), alt="One batch with 0, 25, 50 and 100 per cent of its films replaced by sharper twins.")

# %% [markdown]
# How many, and how fast? The paper says "a few". Here the share rises in a line over the first part of each level, `transition_share`, in whole
# films. The plan of this run:

# %%
schedule = Schedule.plan(config, len(pyramid), only_enlarged=only_enlarged(config, pyramid))
print(f"transition {config.transition}, transition_share {config.transition_share}, {growing.batch_at(1)} films in a batch")
plan = plot_plan(schedule, growing.batch_at(1))
climbs = any(schedule.replaced(level, 0.0) < 1 for level in range(1, len(schedule.resolutions)))
words = "where there is one below to replace, the share climbs from 0 to 100 %" if climbs else "each shows its own films throughout"
show(plan, alt=f"The levels of the run; {words}.")

# %% [markdown]
# ## Growth
#
# What becomes of the networks when the resolution rises? The paper does not say. With `preserve`, our default, both keep every layer they have
# learnt. In G the features of the level below go through one new *block* (enlarge, batch norm, ReLU) into a new *head*, a layer that turns features
# into a picture, and that picture is added to the old one, enlarged. The head's weights start at 0, so at first nothing is added. In D the larger
# film gets an entrance of its own, a first convolution and a block that ends in batch norm, whose result is added where the film of the level below
# has come in so far. Scale and shift of that batch norm start at 0, so at first D judges the film halved. `reset`, the plain reading of the paper,
# keeps the inner layers and draws the outer ones anew.

# %%
source(grow, silence)

# %%
keeping = dataclasses.replace(growing, growth="preserve", transition="replace")
generator, discriminator = build(keeping, 0, seed)
taller, taller_d = grow(keeping, 1, seed, generator, discriminator)
for network in (taller, taller_d):
    checks = check_dcgan_rules(network)
    assert all(one.passed for one in checks), [one for one in checks if not one.passed]
    print(f"{type(network).__name__} at {high} x {high}: {len(checks)} checks of the five DCGAN rules, all passed")

# %% [markdown]
# For D, kept means: it says of a large film what it said of the film brought down to the level below.

# %%
films_high = torch.from_numpy(mixed["100% replaced"])
films_low = films_high
while films_low.shape[-1] > low:
    films_low = halve(films_low)
with torch.no_grad():
    apart = (taller_d(films_high) - discriminator(films_low)).abs().max().item()
print(f"the verdicts of D before and after growing differ by at most {apart:.1g}")
assert apart < 1e-3

# %% [markdown]
# ## Who moves when
#
# One step is two moves, both with the binary cross entropy of equation 1. D sees real films and fakes and learns to tell them; the fakes are
# *detached*, so that its loss ends at the film and does not reach G. Then the same fakes go to the D that has just moved, and its gradient goes on
# through the film into G. In the source below, leave out what is about memory, several processes and number formats (`parts`, `quiet`,
# `arithmetic`), and some fifteen lines remain. `judge` is `one_after_the_other` here: D's words on real films, then on fakes, each with its
# backward; `in_one_batch` is for levels on crops. `_view` shifts every film a little at random before D sees it, real or fake (*augmentation*), so
# that D does not learn a few hundred films by heart. With `patches`, as in `laptop`, D also judges pieces of the film, and `over_verdicts` adds the
# mean of the same loss over these; what is logged is the loss of whole films.

# %%
show(plot_moves(), alt="D's move: real films, and fakes cut off from G. G's move: the gradient runs through the new D to G.")

# %%
source(move_d, one_after_the_other, move_g)

# %% [markdown]
# ## Train
#
# Stop with the square button above (or Ctrl-C in a terminal): the step at hand ends, the run is saved, and it goes on with
# `idcgan train --resume`, or with the next cell once more.

# %%
run = train_or_resume(config, films, run_folder)
said = run.run
print(f"{said['status']} after {said['seconds'] / 60:.1f} minutes, peak memory {said['peak_memory'] / 1e9:.1f} GB")

# %% [markdown]
# How many steps fit into a minute differs from machine to machine, and with it every film and figure below: a run that is bounded by minutes
# never repeats itself quite. Bounded by `epochs`, the same seed gives the same run, bit for bit, on the same machine; on another one the last
# digits differ, and after some hundred steps the films.
#
# ## Reading the losses
#
# Both losses, as in Figures 2 to 4 of the paper, and below them D's belief in real and in generated films. A D that answers one half to
# everything has a loss of ln 2 + ln 2: it cannot tell. Near 0 it has won, and the generator learns little.

# %%
history = run.history()
show(plot_losses(history), alt="Losses of D and G by step, and below them D's belief in real and in generated films.")

# %%
last = history[-20:]  # none, where a run ends before its first row
print(f"mean of the last {len(last)} rows")
if last:
    means = mean_of(last, "loss_d", "loss_g", "d_real", "d_fake")
    print(f"losses: D {means['loss_d']:.2f} (cannot tell: {CANNOT_TELL:.2f}), G {means['loss_g']:.2f}")
    print(f"beliefs: D(x) {means['d_real']:.2f}, D(G(z)) {means['d_fake']:.2f}")
print("alarms:", *run.run["warnings"] or ["none"], sep="\n  ")

# %% [markdown]
# A low loss is not a good film. Each loss is measured against *this* opponent; D's loss falls when D gets better and when G gets worse. What the
# curves do show is whether there is still a game.
#
# ## What it learnt
#
# Where `ema` is above 0 (in the paper's presets it is 0), films are not made by G as it is at that step but by a *running average* of its weights,
# which is steadier, looks better, and lags behind the losses. Over the last part of a run, `cool_down`, both learning rates fall almost to 0. The
# same latents at the end of every level; the paper's are Figures 7 and 8.

# %%
for resolution in run.run["levels"]:
    grid = show_picture(run.path / "samples" / f"{int(resolution):04d}.png", f"{resolution} x {resolution}", width=5)
    display(show(grid, alt=f"A grid of generated chest films at {resolution} x {resolution}."))

# %% [markdown]
# A minute is short. What the same loop reaches in an hour, on real films and with players that had learnt from phantoms before (`from_phantoms`)
# and a discriminator that was lent the features of a network for photographs (`projected`), comes with the package; its card
# (`idcgan/weights/normal.md`) says which films these were, how good the result is and what is wrong with it. First latents, none picked:

# %%
shipped = load_generator("pretrained:normal")
longer = np.stack([picture(shipped, seed=0, index=i) for i in range(5)])
show(plot_rows({f"{shipped.resolution} x {shipped.resolution}": longer}, side=1.7), alt="Five films of the shipped generator: lungs, ribs, heart.")

# %% [markdown]
# What growth does to a picture: the generator that finished the first level (where a run does not grow, an untrained one stands in for it), and the
# same latents right after it has grown, before a single step. With `preserve` the picture stays; with `reset` the outer layers must be learnt again.

# %%
trained = growing is config and str(low) in run.run["levels"]
below = load_generator(run.path, low).generator if trained else generator.eval()
if not trained:
    print("this run has finished no level that it grows from: the generator here is untrained; look only at what stays and what is lost")
z = torch.randn(6, config.latent_dim, generator=torch.Generator().manual_seed(seed))
with torch.no_grad():
    rows = {f"{low} x {low}": below(z).numpy()}
    for growth in ("preserve", "reset"):
        grown, _ = grow(dataclasses.replace(keeping, growth=growth), 1, seed, below, discriminator)
        rows[f"{high} x {high}\n{growth}"] = grown.eval()(z).numpy()
before = "Six films of the first level" if trained else "Six pictures of an untrained generator"
show(plot_rows(rows), alt=f"{before}; the same after growth with preserve; after growth with reset other pictures, the old ones lost.")

# %% [markdown]
# And from the first to the last moment of the run: a row per moment, a column per latent.

# %%
timelapse = run.path / "timelapse.png"
if timelapse.exists():  # not with moments=0
    display(show(show_picture(timelapse, width=5), alt="Eight latents at several moments of the run: fog becomes chests, chests become sharper."))

# %% [markdown]
# ## Try it: the time machine
#
# Slide through the saved moments of the run, or press the triangle. The upper row is what the averaged generator drew *then*; the lower one follows a
# single latent from level to level; the black line says where in the losses you are.

# %%
machine = TimeMachine(run.path) if read_moments(run.path) else None  # a run that was stopped early may have saved no moment
machine

# %%
if machine:
    middle, end = (len(machine.moments) + 1) // 2, len(machine.moments)
    display(show(machine.render(middle, 1), alt="Eight films half way through, one latent at the end of every level, losses."))
    display(show(machine.render(end, 1), alt="The same eight latents at the end of the run."))

# %% [markdown]
# ## Try it: the dashboard
#
# **Train** begins a run of its own, short and at two levels, in a new run folder. While it trains, move a slider:
#
# 1. Raise the *learning rate* to 0.01. What do the losses do, and how long do the films take to recover after *Back to the config*?
# 2. Take the *augmentation* to 0. Does D win?
# 3. At the second level, hold the *replaced share* at 0 for a while, then at 100 %. (The first level has nothing to replace.) Which detail is missing
#    meanwhile, and what does D's loss do at the jump?
#
# **Pause** waits after the step at hand, and the clock with it; **Stop** ends and saves, **Resume** goes on after either. Nothing here touches
# the run above.
#
# <details><summary>What to look for</summary>
#
# 1. Compare both losses and both beliefs before and after. The films are an average: they spoil late and recover late.
# 2. D has won where D(x) is near 1 and D(G(z)) near 0 for twenty rows; the run then raises an alarm. In a minute and a half it need not come to that;
#    then say so rather than guess.
# 3. At 0 % no film has detail of its own, and G has no reason to make any. At the jump all real films are sharp at once: does D notice?
#
# </details>

# %%
if "dashboard" in globals():
    globals()["dashboard"].close()  # of this cell's last time: what it trains ends and is saved
dashboard = Dashboard(practice(growing, minutes=tiny(1.5, 10)), twins.path, run_folder.parent)
dashboard

# %% [markdown]
# Where nothing can be clicked, `render` draws what the dashboard shows of any run. This is the run from above:

# %%
show(dashboard.render(run.path), alt="Both losses, the replaced share, and eight films as the generator drew them last.")

# %% [markdown]
# ### A hand leaves traces
#
# The loop asks once per step whether a hand has set anything. If not, nothing changes, to the last bit. If so, the run is no longer what its config
# says, and must not pass for it: each change goes into `run.json` and into the files of its generators, and every film they make says that the run
# was steered. `idcgan train --resume` goes on from the config, without the hand; the dashboard's Resume sets again what its sliders say.

# %%
source(steer)

# %%
live = Live()


def hand(row):
    """What you would do with the sliders: called after every logged step."""
    if (row["level"], row["step"]) == (1, 10):
        live.set(learning_rate=0.01)
    if (row["level"], row["step"]) == (2, 4):
        live.set(learning_rate=None, replaced=0.25)


small = configure("tiny", "phantom:normal:16", epochs=10)
steered_folder = Path(tempfile.mkdtemp()) / "steered"
steered = train(small, "phantom:normal:16", steered_folder, progress=False, on_log=hand, live=live)
for entry in steered.run["by_hand"]:
    print(entry)
print(*steered.run["warnings"], sep="\n")

# %%
show(dashboard.render(steered.path), alt="A tiny run that was steered: black marks where something was set by hand.")

# %% [markdown]
# ## Exercises
#
# ### Exercise 1 · Who moves first
#
# Write one step of the training loop in plain PyTorch: D's move on `real` and on the fakes G makes of `z`, then G's move against the new D. The
# losses are `loss_on_real(logits)`, `loss_on_fake(logits)` and `generator_loss(logits)`. The check trains nothing: it puts recorders in place of
# the networks and optimisers, and looks at the order of your calls.

# %% tags=["exercise"]
def one_step(generator, discriminator, optimizer_g, optimizer_d, real, z):
    """One move of D, then one of G."""
    raise NotImplementedError("exercise 1: first D on real films and on detached fakes, then G against the new D.")


# %% tags=["solution"]
def one_step(generator, discriminator, optimizer_g, optimizer_d, real, z):
    """One move of D, then one of G."""
    optimizer_d.zero_grad()  # G's last move has left gradients in D as well
    fake = generator(z)
    loss_d = loss_on_real(discriminator(real))
    loss_d = loss_d + loss_on_fake(discriminator(fake.detach()))  # detached: this loss is none of G's business
    loss_d.backward()
    optimizer_d.step()

    optimizer_g.zero_grad()
    loss_g = generator_loss(discriminator(fake))  # the new D on the same fakes, with their way back to G
    loss_g.backward()
    optimizer_g.step()


# %% tags=["check"]
check.order_of_updates(one_step)

# %% [markdown]
# ### Exercise 2 · A few, then all
#
# How many films of a batch show their higher-resolution twin? `step` of `steps` have been made in level index `level` (0 is D1, which has no
# level below and shows its own films throughout). The share rises in a line from 0 to 1 over the first `transition_share` of the level and stays
# at 1; 0 means that all are replaced at once. Give the nearest whole number of films, halves upwards.

# %% tags=["exercise"]
def films_replaced(level, step, steps, transition_share, batch_size):
    """An int from 0 to batch_size."""
    raise NotImplementedError("exercise 2: the share at this step, then the number of films.")


# %% tags=["solution"]
def films_replaced(level, step, steps, transition_share, batch_size):
    """An int from 0 to batch_size."""
    if level == 0 or transition_share == 0:
        return batch_size
    share = min(1.0, step / steps / transition_share)
    return int(share * batch_size + 0.5)  # round() would take halves to the even number: 2.5 films to 2


# %% tags=["check"]
check.films_replaced(films_replaced)

# %% [markdown]
# ### Exercise 3 · What growth must keep
#
# Preserved growth promises that the new picture is the old one, enlarged. Brought down again it is nearly the old one: enlarging smooths a little, so
# the gap is small and not 0. Measure how far it is from that, in grey levels
# of 255, as a mean over all pixels: `old` is (n, c, r, r) and `new` is (n, c, f r, f r), both tensors in [-1, 1]. The factor f is 2, or 4 where
# the paper goes from 128 to 512.

# %% tags=["exercise"]
def growth_gap(old, new):
    """Mean absolute difference in grey levels, a float."""
    raise NotImplementedError("exercise 3: bring `new` down by the mean of each block, compare, and scale.")


# %% tags=["solution"]
def growth_gap(old, new):
    """Mean absolute difference in grey levels, a float."""
    factor = new.shape[-1] // old.shape[-1]
    down = torch.nn.functional.avg_pool2d(new, factor)
    return (down - old).abs().mean().item() * 127.5  # [-1, 1] is 255 grey levels wide


# %% tags=["check"]
check.growth_gap(growth_gap)

# %% [markdown]
# ### Exercise 4 · Who has won?
#
# `rows` are rows of a history, as `run.history()` gives them. Look at the last 20: "discriminator" if in each of them D(x), `d_real`, is above
# 0.9 and D(G(z)), `d_fake`, below 0.1; "generator" if in each of them D believes the fakes at least as much as the real films; else, and where
# there are fewer than 20, "nobody".

# %% tags=["exercise"]
def who_won(rows):
    """ "discriminator", "generator" or "nobody"."""
    raise NotImplementedError("exercise 4: look at the last 20 rows, at all of them.")


# %% tags=["solution"]
def who_won(rows):
    """ "discriminator", "generator" or "nobody"."""
    last = rows[-20:]
    if len(last) < 20:  # one row is noise; all() of nothing would be True
        return "nobody"
    if all(row["d_real"] > 0.9 and row["d_fake"] < 0.1 for row in last):
        return "discriminator"
    if all(row["d_fake"] >= row["d_real"] for row in last):
        return "generator"
    return "nobody"


# %% tags=["check"]
check.who_won(who_won)

# %% [markdown]
# ## What it leaves behind
#
# The run folder explains itself: `run.json` (config, versions, data, minutes), `history.csv`, a checkpoint to go on from, one generator per level.

# %%
for path in sorted(run.path.iterdir()):
    if not path.name.startswith("."):
        print(f"{path.name:32} {path.stat().st_size / 1e6:8.2f} MB" if path.is_file() else f"{path.name}/")
assert run.run["status"] in ("finished", "interrupted")

# %% [markdown]
# ## Recap
#
# - A level begins with the films of the level below, enlarged; their sharper twins take over, share by share.
# - Growth can keep the picture: what is new starts silent and learns, with no schedule of its own.
# - D moves first, on fakes that are cut off from G; then G moves against the new D.
# - Two losses and two beliefs say whether there is still a game; they do not say whether the films are good.
# - A run that was steered says so.
#
# Can you answer these?
#
# 1. What do the films look like that are shown in the first step of level D2, and what in the last?
# 2. Two ways to let the networks grow: which layers are new in each, and what does the first picture after growing show?
# 3. Why are the fakes detached in D's move, and why must they not be in G's?
# 4. D's loss is 1.39 for a while. What does D answer? And what has happened where it is 0.02?
# 5. Your run and your neighbour's had the same config, seed and training films, and yet they make different films. Name two reasons.
# 6. You moved the learning rate by hand. Where is that written, and what does a resume go on with?
#
# <details><summary>Answers</summary>
#
# 1. In the first, all are films of D1, enlarged; in the last, all are their twins of D2. Between the two the share rises over the first
#    `transition_share` of the level.
# 2. `preserve`: in G a block and a head, in D an entrance and a block. The head and D's last new batch norm start at 0, so that the picture is the
#    old one, enlarged. `reset`: the outer layers are drawn anew, and the picture is lost until they have learnt.
# 3. In D's move the gradient would otherwise run on through G: work for nothing, G's graph used up before G's own move needs it, and gradients in G
#    that help D, were they not cleared. In G's move that way through the film is the only one by which G learns.
# 4. Most likely one half to every film: it cannot tell. (A mean of 1.39 may also come from a D that is sure and often wrong; beliefs D(x) and D(G(z))
#    near 0.5 speak against that.) Near 0 it has won: it is sure, and G's films are told from real ones every time.
# 5. Bounded by minutes, a faster machine makes more steps; and sums are rounded another way by another machine, other versions or another number
#    of threads.
# 6. In `run.json` under `by_hand` and in the generators' files; films say only that the run was steered. `idcgan train --resume` goes on from the
#    config.
#
# </details>
#
# ## References
#
# - The paper: Incremental Deep Convolution GAN, section 3.1 (algorithm IDCGAN, equation 1) and section 4 (D1 to D5, Tables 1 to 4, Figures 2 to
#   4, 7 and 8); where it is silent, and what we chose, is in `docs/paper.md`.
# - I. Goodfellow et al., *Generative adversarial nets*, 2014: the order of the two moves, and the generator's loss.
# - A. Radford et al., *Unsupervised representation learning with deep convolutional generative adversarial networks*, 2015: the rules, and Adam's
#   momenta.
# - T. Karras et al., *Progressive growing of GANs*, 2018: growth with a blend (`transition=fade` here).
# - S. Zhao et al., *Differentiable augmentation for data-efficient GAN training*, 2020.
#
# Next: 05, whether these films are any good, and whether they are copies.
