# %% tags=["imports"]
import dataclasses
import math

import torch

from idcgan import plots, toy, toy_curves, toy_films, toy_measures, toy_plots, toy_shapes
from idcgan.course import mean_of, opening, source, tiny
from idcgan.exercises import gan_basics as check
from idcgan.objectives import discriminator_loss, generator_loss, loss_on_fake, loss_on_real, probability_real
from idcgan.paper_figures import plot_gan
from idcgan.toy_widget import ToyGan

# %%
opening("step")

# %% [markdown]
# Above is the way of the data through this project, and the coloured step is what this notebook is about. (D1 to Dn are sets of data there; in
# this notebook D is always a network.) *The paper* is the one on *Incremental Deep Convolution GAN* (IDCGAN) that the project follows; a *film* is
# an X-ray picture.
#
# ## Two players
#
# Nobody can write down what makes a chest film look real. A *generative adversarial network* (section 1.1 of the paper; Goodfellow et al. 2014)
# does not ask for it. It lets two networks play a game instead. The *generator* G turns noise z into a film; one draw of z is called a *latent*.
# The *discriminator* D is shown films, some real, some G's, and says how likely each is real. D learns from its mistakes, and G learns from D.
# Figure 1 of the paper shows it; here it is in our drawing:

# %%
plots.show(
    plot_gan(),
    alt="Figure 1: noise z goes into G, its film and a real one into D, and D's error goes back to both.",
)

# %% [markdown]
# Films have thousands of pixels, which is too many to look at. So, to begin with, a "film" is a point in the plane, two numbers, and then the whole
# game fits into one picture. (GAN Lab, Kahng et al. 2019, does this in a browser.) The *real* points come from one of these clouds. The circles are
# places that a good generator should visit.

# %%
rng = torch.Generator().manual_seed(0)
cross = toy_shapes.drawn([(i, i) for i in range(1, 10)] + [(i, 10 - i) for i in range(1, 10)])
shapes = [*map(toy_shapes.shape, toy_shapes.SHAPES), cross]
plots.show(
    toy_plots.plot_shapes(shapes, [shape.sample(400, rng) for shape in shapes]),
    alt="Five clouds of points: eight Gaussians, a ring, a spiral, two moons, and a cross that was drawn.",
)

# %% [markdown]
# ## The board
#
# Here is a game before its first move. These are the things to look at; net and arrows are still too small to see:
#
# - **the ground** is D: blue where it believes in real points, orange where it believes in fakes, white where it cannot tell;
# - **the net** is G: here a latent z is two numbers in a square, and G lays the whole square out in the plane, stretched and folded;
# - **dark dots** are real points, **orange triangles** are fakes, G(z);
# - **arrows** say which way each fake would have to go to lower G's loss, and how strongly it is pulled;
# - on the right, what both have said and done so far. The third curve is explained below.

# %%
first = toy.new_game("eight Gaussians", seed=0)
plots.show(
    toy_plots.plot_game(first),
    alt="Before the first move: a nearly white ground, all fakes in a heap on the net, eight real clusters around.",
)

# %% [markdown]
# ## One move each
#
# A move of D is one step of its optimiser on a batch of real and a batch of fake points. G stands still: its fakes are made without a gradient.
#
# A *loss* is the number that a player tries to make small. D's is small when D says real of real points and fake of fakes; G's is small when D says
# real of G's fakes. The formulas come under *Equation 1*. Until then read `discriminator_loss` and `generator_loss` as these two sentences, and pass
# over `labels`, `kind` and `objective`, which later sections are about.

# %%
source(toy.move_d)

# %% [markdown]
# A move of G: it makes fakes, asks D about them, and the answer's gradient goes *through* D, to the fakes, and on into G's weights. Now D stands
# still: it collects gradients on the way, but only G's optimiser steps, and D's next move clears them.

# %%
source(toy.move_g)

# %%
alone = toy.new_game("eight Gaussians", seed=0)
moments = {"before the first move": toy.look(alone)}
for _ in range(60):
    toy.move_d(alone)
moments["D alone, 60 moves"] = toy.look(alone)
for _ in range(12):
    toy.move_g(alone)
moments["then G alone, 12 moves"] = toy.look(alone)
right, up = moments["D alone, 60 moves"].pull.mean(0).tolist()
print(f"the mean of all arrows in the middle: {right:+.2f} to the right, {up:+.2f} up")
plots.show(
    toy_plots.plot_boards(moments),
    alt="A white ground; D alone coloured the middle orange, the rim blue; G alone ran to the blue.",
)

# %% [markdown]
# D alone paints the heap of fakes orange and everything around it blue. The arrows point every way, but all fakes come from the same weights, and
# so the heap moves almost as one, along the arrows' mean. Had it kept running, it would leave the window: D would not have told it to stop. Neither
# can learn alone; they take turns, and each turn changes the other's task.
#
# So let them take turns. A *mode* is one of the eight clusters; divergence and floor are explained below the picture.

# %%
game = toy.new_game("eight Gaussians", seed=0)
turns = tiny(1000, 60)  # 1000; the second number is for the tests of this course only
toy.play(game, turns)
now = game.history[-1]
print(
    f"after {turns} turns: divergence {now['divergence']:.2f}, floor {game.floor:.2f}; {now['covered']} of 8 modes"
)
plots.show(
    toy_plots.plot_game(game),
    alt="After many turns: G's net lies around the ring of eight clusters, with threads between them and a few across.",
)

# %% [markdown]
# The *Jensen-Shannon divergence* says how far the fakes are from the real points: 0 when they are the same, log 2 = 0.69 when they have nothing in
# common (its formula comes with the best D, below). We count two thousand real and two thousand fake points in squares of a grid; two real batches,
# counted so, differ a little too. That is its *floor*, and each measure of quality in this course has one.
#
# G does not reach it here. One reason is its net, one connected sheet, which eight clusters are not: threads hang between them. They can become thin,
# but in this time G has not made them so.

# %% [markdown]
# ## Try it: a game of your own
#
# Choose a shape, or paint one (*your own drawing*). **Step D** and **Step G** show what a move does; **Run** plays on until **Pause**; **Slow
# motion** is a switch: then Run takes one move at a time. A press of a step button makes as many moves as *moves a press* says; set it to 1 to
# begin with. (Of the losses in the menu this notebook needs the first two.) The sliders act while it plays: *moves of D* and *moves of G* in each
# turn (0 leaves a player out), and their learning rates. Four things to try:
#
# 1. Press Step D ten times. Then Step G ten times. What has each learnt from the other?
# 2. Run the spiral. Watch how the net folds.
# 3. Set *moves of G* to 5, reset, and run the eight Gaussians. Where do the triangles go? (More on that below.)
# 4. Set *moves of D* to 0 while it runs. What do the fakes do, and why?

# %%
widget = ToyGan("eight Gaussians", seed=0)
widget

# %% [markdown]
# <details><summary>What there is to be seen</summary>
#
# 1. D has learnt where the fakes are now, and G which way out of there looks more real.
# 2. The net hugs the outer turn first, with threads across; the inner end of the arm it finds late or never.
# 3. The triangles run in one heap from place to place.
# 4. The colours stand still. The fakes run to where D was last seen to believe in real points, crowd there or leave the window, and nobody objects.
#
# </details>
#
# Where nothing can be clicked, on paper or in the book, this is what the widget shows of two moons after a while. The arrows have become too short
# to see, for D says nearly 1/2 wherever fakes are; and the net, one sheet, still fills the gap between the arcs.

# %%
plots.show(
    widget.render("two moons", turns=tiny(1000, 40)),
    alt="Two moons: G's net lies over both arcs and the gap between; losses, beliefs and divergence on the right.",
)

# %% [markdown]
# ## Equation 1
#
# Section 3.1 of the paper writes the game as one formula. It has no number there; we call it equation 1, as Goodfellow et al. do:
#
# $$\min_G \max_D \; V(D, G) = \mathbb{E}_{x}\,[\log D(x)] + \mathbb{E}_{z}\,[\log(1 - D(G(z)))]$$
#
# D(x) is between 0 and 1, how likely D holds x for real. D wants both logarithms as near to 0 as it can get them; G only appears in the second,
# and wants it low. 𝔼 is a mean: over real points x, over latents z. In code D ends in a *logit*, any number, and D(x) is its sigmoid.
# `idcgan/objectives.py` has the formula in two halves, and trains all networks of this project:

# %%
source(loss_on_real, loss_on_fake, discriminator_loss)

# %% [markdown]
# Programs minimise, so D's *loss* is equation 1 with its sign turned: binary cross entropy with the label 1 for real and 0 for fake. Here it is,
# both ways, on a batch of the game above.

# %%
with torch.no_grad():
    real_logits = game.discriminator(game.source.sample(128, game.rng))[:, 0]
    fake_logits = game.discriminator(game.generator(game.latents(128)))[:, 0]
d_real, d_fake = probability_real(real_logits), probability_real(fake_logits)
value = torch.log(d_real).mean() + torch.log(1 - d_fake).mean()
loss = discriminator_loss(real_logits, fake_logits)
print(f"equation 1: {value:.4f}    minus D's loss: {-loss:.4f}    -2 log 2: {-2 * math.log(2):.4f}")
assert torch.isclose(value, -loss, atol=1e-5)

# %%
plots.show(
    toy_curves.plot_charges(),
    alt="D's loss: on a real film it falls to 0 at D = 1, on a fake it rises there; both are log 2 at 1/2.",
)

# %% [markdown]
# A D that cannot tell says 1/2 and pays log 2 twice, 1.39. It is the number to look for in Figures 2 to 4 of the paper, curves of these two losses
# (if D's is the sum of both halves there, as it is here; of their mean it would be 0.69): near 1.39 the players are even *or D is too weak to see a
# difference*, near 0 D has won. (The paper's text has G minimise binary cross entropy and D maximise it. That fits the value V, not the cross
# entropy, which is -V.)
#
# ## The best D there can be
#
# Say G stands still. Real points fall on a place x with density p(x), fakes with density q(x). Then D faces each place alone: it wants p log D + q
# log(1 - D) as high as possible. Set the derivative to zero, p/D = q/(1 - D), and with m = (p + q)/2, the mixture of both,
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)} = \frac{p}{2m}, \qquad \mathrm{JSD}(p, q) = \tfrac12\,\mathbb{E}_{p}\Big[\log\frac{p}{m}\Big] +
# \tfrac12\,\mathbb{E}_{q}\Big[\log\frac{q}{m}\Big],$$
#
# $$V(D^*, G) = \mathbb{E}_{p}\Big[\log\frac{p}{2m}\Big] + \mathbb{E}_{q}\Big[\log\frac{q}{2m}\Big] = -\log 4 + 2\,\mathrm{JSD}(p, q),$$
#
# because each half gives away one log 2. The best D is a *ratio of densities*, and what it reaches is the divergence that we drew above. A G that
# fights the best D lowers the Jensen-Shannon divergence, which ends where q = p. Is it true? Our clouds have known densities. A G that does not learn
# and whose density is known too, a round fog, lets us check with numbers.

# %%
p_cloud = dataclasses.replace(toy_shapes.shape("two moons"), sigma=0.3)
q_cloud = toy_shapes.Shape("fog", torch.zeros(1, 2), 0.8, torch.zeros(1, 2))
places, area = toy_measures.lattice()
p, q = p_cloud.density(places).double(), q_cloud.density(places).double()
best = p / (p + q)
jsd = toy_measures.jensen_shannon(p * area, q * area)
highest = toy_measures.value(p, q, best, area)
print(
    f"value of the formula's D, summed over the plane: {highest:.4f}    -log 4 + 2 JSD: {-math.log(4) + 2 * jsd:.4f}"
)
assert abs(highest - (-math.log(4) + 2 * jsd)) < 1e-3

# %% [markdown]
# (The last digit may differ: a few in ten thousand of the fog lie beyond the lattice that is summed over.) Now train a D against that fog, and see
# whether it finds the formula by itself.

# %%
lone = toy.new_game(p_cloud, seed=0, batch=512)
lone.generator = toy_measures.Still(q_cloud)
climb = []
for _ in range(12):
    with torch.no_grad():
        trained = probability_real(lone.discriminator(places)[:, 0]).double()
    climb.append((lone.moves_d, toy_measures.value(p, q, trained, area)))
    for _ in range(tiny(100, 10)):
        toy.move_d(lone)
error = ((trained - best).abs() * (p + q) / 2 * area).sum()
assert all(reached < highest + 1e-6 for _, reached in climb), "no D can be better than the best"
print(f"D is {error:.3f} from the formula, on average where points fall")
print(f"its value is {climb[-1][1]:.4f}; the highest there can be is {highest:.4f}")
plots.show(
    toy_curves.plot_best(p, q, best, trained, climb, highest, 1.5 * toy_shapes.EXTENT),
    alt="Moons and fog; the formula's D; the trained D, much alike; its value, climbing to a bound.",
)

# %% [markdown]
# The same formula judges the D of the eight Gaussians. The best D against those fakes would have this loss, minus its value:

# %%
best_loss = math.log(4) - 2 * now["divergence"]
print(f"eight Gaussians: the best D's loss would be about {best_loss:.2f}; D's was {loss:.2f}")

# %% [markdown]
# So that D was far from the best: its loss near 1.39 did not mean that the fakes were as good as real, but that D, with one move a turn, was too
# weak to see the difference. The divergence tells the two cases apart.

# %% [markdown]
# ## Two losses for G
#
# Equation 1 asks G to minimise log(1 - D(G(z))). `objectives.py` calls that `saturating`, and uses something else by default: minimise -log
# D(G(z)), `non_saturating`.

# %%
source(generator_loss)

# %%
plots.show(
    toy_curves.plot_pull(),
    alt="Pull by what D says of a fake: D for the saturating loss, so none near 0; 1 - D for the other, all of it.",
)

# %% [markdown]
# The gradient reaches G through D's *logit* t, D = sigmoid(t), and there the slope dL/dt is -D for the saturating loss and -(1 - D) for the other;
# its size is the *pull*. Early in a game D is sure of the bad fakes, D(G(z)) near 0, and the saturating loss is flat in the logit just where G has
# most to learn. Let D train ahead, then draw the arrows of both losses for the very same players, to the same scale; an arrow is the pull, carried
# on through D to the fake.

# %%
pulled = {}
for kind in ("saturating", "non_saturating"):
    ahead = toy.new_game("eight Gaussians", seed=0, kind=kind)
    for _ in range(300):
        said = toy.move_d(ahead)
    pulled[kind.replace("_", "-")] = toy.look(ahead)
strength = {name: view.pull.norm(dim=1).mean().item() for name, view in pulled.items()}
ratio = strength["non-saturating"] / strength["saturating"]
print(f"D is sure: D(G(z)) is {said['d_fake']:.5f}. The non-saturating pull is {ratio:.0f} times as strong.")
assert ratio > 100
plots.show(
    toy_plots.plot_boards(pulled),
    alt="The same board twice, D far ahead: no arrows with the saturating loss, long ones with the other.",
)

# %% [markdown]
# Both have the same fixed point; they differ in what G feels on the way. How much it hurts depends on the optimiser. Plain gradient descent goes as
# far as the gradient is long, so a weak pull moves nothing. Adam, which this course trains with, divides by the gradient's usual length, so even a
# very weak pull moves G. The real clusters are 1.4 from the middle, and the window ends at 2:


# %%
def way_in_20_moves(kind: str, plain: bool) -> float:
    """How far from the middle the fakes lie, on average, after 20 moves of G against a D that has moved 300 times alone."""
    ahead = toy.new_game("eight Gaussians", seed=0, kind=kind)
    for _ in range(300):
        toy.move_d(ahead)
    if plain:
        ahead.optimizer_g = torch.optim.SGD(ahead.generator.parameters(), lr=0.02)
    for _ in range(20):
        toy.move_g(ahead)
    return toy.look(ahead).fake.norm(dim=1).mean().item()


for plain in (True, False):
    way = {kind: way_in_20_moves(kind, plain) for kind in ("saturating", "non_saturating")}
    name = "gradient descent" if plain else "Adam"
    print(
        f"{name:17} fakes lie {way['saturating']:.2f} from the middle saturating, {way['non_saturating']:.2f} non-saturating"
    )

# %% [markdown]
# Farther is not better: beyond 1.4 the fakes have flown past the data, as with Adam and the saturating loss. Its pull, D, grows as D comes to take
# the fakes for real, and drives them on; the other, 1 - D, fades there.
#
# ## Mode collapse, made and measured
#
# Let G move five times for each move of D. Between two moves of D one side of the plane looks most real, and G has time to bring *everything*
# there. D answers, G moves all of it to the next place. This is *mode collapse*: each fake may look right, and there is only one kind of it. (D stays
# so near 1/2 that the ground is drawn from 0.45 to 0.55 here, and the arrows a hundred times as long; the net lies under the triangles.)

# %%
hasty, stills = toy.new_game("eight Gaussians", seed=0), {}
for _ in range(4):
    toy.play(hasty, tiny(250, 15), moves_g=5)
    stills[f"G hasty, turn {hasty.moves_d}"] = toy.look(hasty)
plots.show(
    toy_plots.plot_boards(stills, side=2.5, blue="D: 0.55", orange="D: 0.45", span=0.05, arrow=10),
    alt="Four moments of a game with five moves of G a turn: all fakes in one wandering heap, one side of the ground blue.",
)

# %% [markdown]
# To measure it, count the modes: a mode is *covered* if it gets at least a quarter of its fair share, here of 1/8, of the fakes within three sigma
# (the standard deviation of a cluster, here 0.1) of its centre.
# Both games have played as many turns.

# %%
histories = {"1 move of G a turn": game.history, "5 moves of G a turn": hasty.history}
fair, poor = (rows[-1]["covered"] for rows in histories.values())
print(f"modes covered at the end, of 8: {fair} when they take turns evenly, {poor} when G is hasty")
for name, rows in histories.items():
    late = mean_of(rows[-20:], "loss_d", "loss_g")
    print(f"{name}: D's loss {late['loss_d']:.2f}, G's {late['loss_g']:.2f} (mean of the last rows)")
plots.show(
    toy_curves.plot_coverage(histories, 8, game.floor),
    alt="The even game climbs to eight modes and a low divergence; the hasty one stays at none or one.",
)

# %% [markdown]
# The losses do not give it away: both games have a D near 1.39 and a G near 0.7, as if nothing were wrong. They ask of each fake alone whether it
# looks real, and never compare fakes with each other. Collapse is a matter of how the fakes are *spread*, and notebook 05 measures it on films, where
# nobody hands you the modes.
#
# An honest note on numbers. The same seed on the same machine repeats all this to the last digit. Another seed, processor or version of PyTorch
# plays another game: the divergence may differ in the first decimal, and a mode may be found later. What should stay is the order of things.
#
# ## The paper's labels are the other way round
#
# Section 3.1 says that D(X) = 0 means real and 1 means fake, that D maximises D(G(Z)) and G minimises it. Equation 1, below it, has D(x) near 1 for
# real. They contradict each other; either convention works: sigmoid(-t) = 1 - sigmoid(t), so a D with the sign of its last layer changed is 1 - D.
# `labels="flipped"` trains the text's reading. Start two games from the same weights, one of them with that sign changed:

# %%
ours, papers = toy.new_game("ring", seed=2), toy.new_game("ring", seed=2, labels="flipped")
with torch.no_grad():
    for weights in papers.discriminator[-1].parameters():
        weights.neg_()
for each in (ours, papers):
    toy.play(each, tiny(300, 30))
same = all(
    torch.equal(a, b) for a, b in zip(ours.generator.parameters(), papers.generator.parameters(), strict=True)
)
print(f"after {ours.moves_d} turns the two generators are the same, bit for bit: {same}")
assert same
views = {
    "labels as in equation 1": toy.look(ours, raw=True),
    "labels as in the text": toy.look(papers, raw=True),
}
plots.show(
    toy_plots.plot_boards(views, blue="D(x) = 1", orange="D(x) = 0", arrow=0.6),
    alt="Two boards with identical fakes, nets and arrows; the second ground has blue and orange exchanged.",
)

# %% [markdown]
# The ground shows D(x) itself here. Fakes, net and arrows (drawn six times as long) are the same; only the colours are exchanged. (For
# this the second D began with the signs of its last layer changed. Left alone both start from the same weights, which mean the opposite with flipped
# labels, and go apart as two seeds do.)
#
# ## From points to films
#
# A film of 32 x 32 pixels is a point too, in a space of 1,024 dimensions. `move_d` and `move_g` never asked how many there were. So let the same
# two functions play with *phantom* films, drawn by a program (notebook 03). Both players are three fully connected layers, only wider.

# %%
source(toy_films.new_film_game)

# %%
films = toy_films.phantom_films(tiny(200, 24))
film_game = toy_films.new_film_game(films, seed=0)
shown = 2 * torch.rand(10, toy_films.LATENT_DIM, generator=torch.Generator().manual_seed(1)) - 1
real_films = films.points[:10].reshape(-1, 32, 32).numpy()
rows = {"real": real_films, "before the\nfirst move": toy_films.films_of(film_game, shown)}
for _ in range(3):
    toy.play(film_game, tiny(400, 10))
    rows[f"after {film_game.moves_d}\nturns"] = toy_films.films_of(film_game, shown)
plots.show(
    plots.plot_rows(rows, side=0.95),
    alt="Ten phantom films; fakes of ten latents at four moments: noise, then mostly chests in coarse grain.",
)

# %%
fakes = toy_films.films_of(film_game, shown)
steps = {name: toy_films.roughness(each) for name, each in (("real", real_films), ("fake", fakes))}
weights_g = sum(weights.numel() for weights in film_game.generator.parameters())
times_as_rough = steps["fake"] / steps["real"]
print(f"mean step to the next pixel: real {steps['real']:.0f} grey levels, fake {steps['fake']:.0f}")
print(f"the fakes are {times_as_rough:.1f} times as rough; the real films' steps are edges, the rest is grain")
print(f"G has {weights_g:,} weights for films of {toy_films.RESOLUTION**2:,} pixels")

# %% [markdown]
# Lungs, heart and shoulders come from D's answers alone, though not in all ten films: one or two may still be noise or flat grey. All are grainy:
# to a fully connected layer neighbouring pixels are no closer than opposite corners, so each must be learnt by itself. The paper's second rule does
# away with such layers, and notebook 02 shows what takes their place.
#
# The losses of this game, drawn as Figures 2 to 4 of the paper draw theirs (notebook 04 has them for a real run, notebook 10 for the paper's own
# settings):

# %%
as_run = [{**row, "level": 1, "resolution": 32} for row in film_game.history]
half = as_run[len(as_run) // 2 :]
late = mean_of(half, "loss_d", "loss_g", "d_real", "d_fake")
print(f"second half: D's loss {late['loss_d']:.2f}, G's {late['loss_g']:.2f}")
print(f"D says {late['d_real']:.2f} of real films, {late['d_fake']:.2f} of fakes")
plots.show(
    plots.plot_losses(as_run), alt="Losses of D and G by step; below, D's belief in real and generated films."
)

# %% [markdown]
# D's loss lies below 1.39 and G's above 0.69: here D does tell films from fakes, and stays ahead, but not so far that G stops learning.
#
# ## Exercises
#
# Write the function, run the cell, then the check below it. It says what is wrong, and may be run as often as you like.
#
# ### Exercise 1 · The value of the game
#
# Compute equation 1 from D's *logits* on a real and on a fake batch. It must stay finite when D is very sure, at logits of 200 and more. (What is
# `torch.log(torch.sigmoid(x))` at x = -200?)


# %% tags=["exercise"]
def game_value(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Equation 1, a scalar, from logits (b,) and (c,)."""
    raise NotImplementedError("exercise 1: the value of the game, from logits.")


# %% tags=["solution"]
def game_value(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """Equation 1, a scalar, from logits (b,) and (c,)."""
    # log D is logsigmoid(t); 1 - sigmoid(t) = sigmoid(-t), so log(1 - D) is logsigmoid(-t); neither forms a 0 to take the log of
    logsigmoid = torch.nn.functional.logsigmoid
    return logsigmoid(real_logits).mean() + logsigmoid(-fake_logits).mean()


# %% tags=["check"]
check.value(game_value)

# %% [markdown]
# ### Exercise 2 · The optimal discriminator
#
# Give the best D for densities `p` (real) and `q` (fake), place by place, for both kinds of labels. Where neither ever lies any D is as good: say
# 1/2 there, not 0/0.


# %% tags=["exercise"]
def optimal_discriminator(p: torch.Tensor, q: torch.Tensor, labels: str = "standard") -> torch.Tensor:
    """The D(x) that maximises the value of the game, (n,), from densities p and q (n,). labels: standard or flipped."""
    raise NotImplementedError("exercise 2: the best D from two densities.")


# %% tags=["solution"]
def optimal_discriminator(p: torch.Tensor, q: torch.Tensor, labels: str = "standard") -> torch.Tensor:
    """The D(x) that maximises the value of the game, (n,), from densities p and q (n,). labels: standard or flipped."""
    both = p + q
    d = torch.where(
        both > 0, p / both, 0.5
    )  # chosen after the division: where both are 0 its NaN is thrown away
    return 1 - d if labels == "flipped" else d


# %% tags=["check"]
check.optimal_discriminator(optimal_discriminator)

# %% [markdown]
# ### Exercise 3 · D's move
#
# Write one move of D. Its optimiser is given, and `discriminator_loss` is imported; D's logits are `discriminator(x)`, shape (b, 1). G must stand
# still, and *no gradient may flow into it*: what would G's next move have to do first, otherwise? The check makes two moves, one after the other.


# %% tags=["exercise"]
def step_d(generator, discriminator, optimizer_d, real: torch.Tensor, latents: torch.Tensor) -> None:
    """One step of D on a real batch and on G's fakes of the latents."""
    raise NotImplementedError("exercise 3: one move of D.")


# %% tags=["solution"]
def step_d(generator, discriminator, optimizer_d, real: torch.Tensor, latents: torch.Tensor) -> None:
    """One step of D on a real batch and on G's fakes of the latents."""
    fake = generator(latents).detach()  # to D a fake is a film like any other: the way back into G ends here
    loss = discriminator_loss(discriminator(real)[:, 0], discriminator(fake)[:, 0])
    optimizer_d.zero_grad()  # gradients add up: without this the last move would be made once more
    loss.backward()
    optimizer_d.step()


# %% tags=["check"]
check.step_d(step_d)

# %% [markdown]
# ### Exercise 4 · A number for collapse
#
# Count the modes that are covered: those with at least `share` of *all* points within the distance `reach`. A stray point covers nothing, and
# neither does a crowd in between; a point counts for every mode in reach. (A quarter of the fair share of eight modes, as above, is share = 1/32.)


# %% tags=["exercise"]
def modes_covered(points: torch.Tensor, modes: torch.Tensor, reach: float, share: float) -> int:
    """How many of the modes (m, 2) have at least `share` of all points (n, 2) within `reach`."""
    raise NotImplementedError("exercise 4: how many modes are covered?")


# %% tags=["solution"]
def modes_covered(points: torch.Tensor, modes: torch.Tensor, reach: float, share: float) -> int:
    """How many of the modes (m, 2) have at least `share` of all points (n, 2) within `reach`."""
    near = torch.cdist(points, modes) <= reach  # (n, m): is point i near mode j?
    return int(
        (near.sum(0) >= share * len(points)).sum()
    )  # counts per mode, not the mere presence of a point


# %% tags=["check"]
check.modes_covered(modes_covered)

# %% [markdown]
# ## Recap
#
# 1. What does D put out for a place where real points are three times as dense as fakes, if it is the best it can be?
# 2. A loss curve of D stays at 1.39. What does that say, and what does it not say?
# 3. Why is G trained with -log D(G(z)) and not with equation 1 as printed? When does it matter most?
# 4. In D's move, what keeps G still? In G's move, what keeps D still?
# 5. Why can a generator collapse while its loss looks fine, and what number shows it?
# 6. Somebody says that the paper's D(X) = 0 for real is a mistake that spoils the training. What do you answer?
#
# <details><summary>Answers</summary>
#
# 1. 3/4: the best D is p / (p + q).
# 2. On average D does no better than saying 1/2 everywhere, which costs log 2 for real and log 2 for fake. That is so when the fakes are as good as
#    real, and also when D is too weak to see the difference. A divergence with its floor tells the two apart.
# 3. Where D is sure of the fakes, log(1 - D) is flat in the logit: above, the arrows were hundreds or thousands of times shorter. It matters at the
#    start, and most with plain gradient descent.
# 4. In D's move the fakes are made without a gradient (`no_grad`, or `detach`) and only D's optimiser steps. In G's move the gradient must pass
#    through D, so D's gradients fill too; but only G's optimiser steps, and D's next move clears them.
# 5. The loss asks of each fake alone whether it looks real. It never compares fakes with each other. Count the modes they cover, or take a
#    divergence.
# 6. It is the same game with D renamed to 1 - D, as long as both losses go along; we saw two generators equal to the last bit. Only mixing the two
#    conventions would spoil it.
#
# </details>
#
# ## References
#
# - The paper: section 1.1 (players), Figure 1 (their game), section 3.1 (equation 1, labels, binary cross entropy), Figures 2 to 4 (losses).
# - I. Goodfellow et al., *Generative Adversarial Nets*, 2014: equation 1, the best D, the non-saturating loss.
# - M. Kahng, N. Thorat, D. H. Chau, F. Viégas, M. Wattenberg, *GAN Lab: Understanding Complex Deep Generative Models using Interactive Visual
#   Experimentation*, 2019.
# - L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, *Unrolled Generative Adversarial Networks*, 2017: eight Gaussians and collapse.
#
# **Next:** [02, the DCGAN rules](02_dcgan_rules.ipynb): what the two networks are made of when films get large.
