# %% tags=["imports"]
from functools import partial

import torch
from IPython.display import Markdown, display
from torch import nn

from idcgan import plots
from idcgan.architecture_widget import BuildGenerator, count
from idcgan.checkerboards import board_by_period, made_by, mean_spectrum, overlaps, untrained
from idcgan.config import preset
from idcgan.course import opening, source, tiny
from idcgan.exercises import dcgan_rules as check
from idcgan.layers_plots import megabytes, plot_dense, plot_diagram, plot_overlaps, plot_widths
from idcgan.layers_view import convolved_size, layers, plain_generator, said, spreads, stages, stopped, training_memory, transposed_size
from idcgan.memory import multiplies
from idcgan.networks import Generator, build, feature_maps, initialise
from idcgan.rules import RULES, Check, check_dcgan_rules
from idcgan.rules_plots import plot_boards, plot_measured, plot_reach, plot_spreads, plot_stopped, plot_verdicts
from idcgan.small_dcgan import VARIANTS, copied_up, level_on, phantom_batch, play, small_discriminator, small_generator, strided_up

# %%
opening("step")

# %% [markdown]
# ## The rules
#
# Equation 1 says what the two players want, not how they are built. In 2015 Radford, Metz and Chintala tried many ways to build them and kept
# a handful of rules under which training mostly works. That is DCGAN, the D and the C standing for deep and convolutional, and the paper
# takes it over in section 3.1 as a list of five.

# %%
display(Markdown("\n".join(f"{number}. {rule}" for number, rule in RULES.items())))

# %% [markdown]
# The sentences around the paper's list contradict it twice. DCGAN is said to be "made up of completely connected or convolution layers", and
# then rule 2 takes the fully connected ones out. And "for the down sampling and up sampling, it employs transposed convolution and
# convolutional stride" has the two the wrong way round: the transposed convolution goes up, the strided one down. We follow the list.
#
# `check_dcgan_rules` reads a network as a list of claims: every rule, at every layer that it speaks of. It follows the picture through the network
# as it runs, so that pooling hidden in a `forward` is found like pooling among the layers.

# %%
source(Check, check_dcgan_rules)

# %% [markdown]
# The paper's own networks at 64 x 64 keep the rules:

# %%
generator, discriminator = build(preset("paper-normal-15"), level=0, seed=0)
for network in (generator, discriminator):
    checks = check_dcgan_rules(network)
    assert all(claim.passed for claim in checks)
    print(f"{type(network).__name__}: {len(checks)} claims, all of them hold. For example: {checks[1].layer} is a {checks[1].sentence}.")

# %% [markdown]
# ## The generator, layer by layer
#
# The source of the generator that this whole project trains. `forward` is short: through the blocks, each of which doubles the resolution,
# then a head that makes the film. (What `skip` and `recompute` are for is the matter of notebook 04.)

# %%
source(feature_maps, Generator)

# %% [markdown]
# The paper shows its generator in a diagram without a number (section 3.1). This is the same diagram, drawn from the counted layers of the
# plain network: from left to right fewer and fewer maps, larger and larger pictures.

# %%
plain = plain_generator(resolution=64, maps_at_last=8, cap=64, latent_dim=100, device="cpu")
z = torch.randn(2, 100)
plots.show(
    plot_diagram(100, stages(layers(plain, z))),
    alt="The generator as a row of bars: 100 latent numbers, 64 maps of 4 x 4, 32 of 8 x 8, 16 of 16 x 16, 8 of 32 x 32, a film of 64 x 64.",
)

# %% [markdown]
# The same as a table. Every line is one layer that was run; shapes are (maps, height, width) of one film.

# %%
rows = [f"| `{each.name}` | {each.kind} | {each.given} | {each.out} | {each.parameters:,} |" for each in layers(plain, z)]
display(Markdown("\n".join(["| layer | kind | is given | puts out | parameters |", "| --- | --- | --- | --- | ---: |", *rows])))

# %% [markdown]
# ## Shape arithmetic
#
# A transposed convolution works like a rubber stamp. Each number of its input presses the whole kernel, multiplied by that number, onto the
# output, one `stride` further than its neighbour; where stamps overlap they add up. So the last of n stamps begins at (n − 1) · stride and is
# one kernel wide. In the end `padding` rows and columns are cut off on every side:
#
# $$\text{out} = (\text{in} - 1)\cdot\text{stride} \;-\; 2\cdot\text{padding} \;+\; \text{kernel}$$
#
# DCGAN's kernel of 4 with stride 2 and padding 1 gives 2 (n − 1) − 2 + 4 = 2n: it doubles. In the picture, the numbers count the stamps that
# reach a pixel.

# %%
plots.show(
    plot_overlaps([(4, 2, 1)]),
    alt="A 10 x 10 field of counts. Two neighbouring stamps of 4 x 4 overlap in two columns; inside, 4 stamps reach every pixel; 8 x 8 remain.",
)

# %%
for layer in layers(plain, z):
    module = plain.get_submodule(layer.name)
    if isinstance(module, nn.ConvTranspose2d):
        kernel, stride, padding = module.kernel_size[0], module.stride[0], module.padding[0]
        size = layer.given[-1] if len(layer.given) == 3 else 1
        assert transposed_size(size, kernel, stride, padding) == layer.out[-1]
        print(f"({size:2} - 1) * {stride} - 2 * {padding} + {kernel} = {layer.out[-1]:2}    {layer.name}")

# %% [markdown]
# The discriminator goes the same way down: an ordinary convolution with the same three numbers halves. Its arithmetic is the formula turned
# round.

# %%
way = [64]
while way[-1] > 4:
    way.append(convolved_size(way[-1], kernel=4, stride=2, padding=1))
way.append(convolved_size(way[-1], kernel=4, stride=1, padding=0))
print("film to verdict:", " → ".join(map(str, way)))

# %% [markdown]
# ## Ten ways to break the rules
#
# Are the rules laws or habits? To find out we need a DCGAN that trains in seconds, put together from exchangeable parts. This is its
# generator:

# %%
source(small_generator)

# %% [markdown]
# And here are ten pairs of networks, in each of which one rule is broken. The check must find the right one, in every row.

# %%
found = {}
for name, pair in VARIANTS.items():
    found[name] = check_dcgan_rules(pair.generator(), "generator") + check_dcgan_rules(pair.discriminator(), "discriminator")
plots.show(
    plot_verdicts(found),
    alt="A table of eleven pairs of networks by five rules: the first row has five ticks, every other row a cross under the one rule that it breaks.",
)

# %% [markdown]
# Now all of them train: the same 64 phantom films at 32 x 32, the same first weights where the layers allow it, 300 steps each. This takes
# the better part of a minute.

# %%
real = phantom_batch(tiny(64, 16), 32)
played = {}
for name, pair in VARIANTS.items():
    played[name] = play(pair.generator(), pair.discriminator(), real, steps=tiny(300, 3))
print(f"{len(played)} games played")

# %%
rows = {"real films": real[:8].numpy()} | {name: game.films[:8].clamp(-1, 1).numpy() for name, game in played.items()}
plots.show(
    plots.plot_rows(rows, side=0.85),
    alt="Eight films per row. Chests where all rules are kept, and also with pixels copied upwards, LeakyReLU in G, nothing at G's output "
    "and ReLU in D; fainter ones with max pooling and with batch norm everywhere; grey without batch norm; noise in the other rows.",
)

# %% [markdown]
# Some rows are ruined, some are merely worse, and some look no worse at all. Numbers beside the eyes: how much the films differ from each
# other (as a share of how much real ones do), what range their grey levels span, and what D believes in the end. At 0.5 and 0.5 it cannot
# tell; at 1 and 0 it has won.

# %%
variety = real.std(0).mean()
head = ["| | variety | darkest | brightest | D(x) | D(G(z)) |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
rows = [
    f"| {name} | {game.films.std(0).mean() / variety:.2f} | {game.films.min():.2f} | {game.films.max():.2f} | {game.d_real:.2f} | {game.d_fake:.2f} |"
    for name, game in played.items()
]
display(Markdown("\n".join([*head, *rows])))

# %% [markdown]
# **An honest note.** This is one seed, a few hundred steps and 32 x 32. On another machine the sums round in another order and the rows come
# out a little different; what holds is the difference between a grey field and a chest, not that between two chests. Now for the reasons,
# rule by rule.

# %% [markdown]
# ### Rule 1: strided, not pooled
#
# G learns only from the gradient that comes back to it through D. Max pooling passes it to the largest of four places and gives the other
# three nothing, at every layer again; a strided convolution listens to all four.

# %%
ones_of_d = {
    "strided": small_discriminator(64),
    "max pooling": small_discriminator(64, down=level_on, then=(partial(nn.MaxPool2d, 2),)),
    "ReLU": small_discriminator(64, inside=nn.ReLU),
}
for network in ones_of_d.values():
    initialise(network, torch.Generator().manual_seed(0))
films64 = phantom_batch(tiny(64, 16), 64)
silent = {name: stopped(network, films64[:16], (nn.LeakyReLU, nn.ReLU, nn.MaxPool2d)) for name, network in ones_of_d.items()}
silent["max pooling"] = silent["max pooling"][1::2]  # of each pair, activation and pooling, what stands before the pooling
plots.show(
    plot_stopped({name: silent[name] for name in ("strided", "max pooling")}),
    alt="Bars per layer of D: with strided convolutions no place is without a gradient, with max pooling three quarters of them are.",
)

# %% [markdown]
# Going up, the other half of rule 1, the case is weaker. Copying every pixel four times and convolving then is a respectable way to enlarge
# (Odena et al. 2016 advise it), and the row above shows it: no grid in the films. What it costs is work, for the convolution then runs at the
# higher resolution.

# %%
features = torch.empty(1, 16, 64, 64, device="meta")
with torch.device("meta"):
    work = [sum(multiplies(nn.Sequential(*up(16, 8)), features).values()) for up in (strided_up, copied_up)]
print(f"16 maps at 64 to 8 maps at 128: strided {said(work[0])} multiplications, copied {said(work[1])}: {work[1] / work[0]:.2f} times as many")

# %% [markdown]
# ### Rule 2: nothing fully connected
#
# A fully connected layer joins every number that goes in with every number that comes out. Between features and a film that grows with the
# fourth power of the resolution; a transposed convolution does not grow at all, for its kernel is the same everywhere. We count on PyTorch's
# *meta* device, where a tensor has a shape and takes no memory.

# %%
resolutions = (64, 128, 256, 512, 1024, 2048)
with torch.device("meta"):
    dense = [nn.Linear(8 * (r // 2) ** 2, r * r, bias=False).weight.numel() for r in resolutions]
    convolution = [strided_up(8, 1)[0].weight.numel() for r in resolutions]
plots.show(
    plot_dense(resolutions, dense, convolution, maps=8),
    alt="Parameters of G's last layer by resolution: fully connected from millions at 64 to trillions at 2048, transposed convolution always 128.",
)

# %%
print(f"at 2048 x 2048: {said(dense[-1])} parameters, which are {4 * dense[-1] / 1e12:.0f} terabytes, against {convolution[-1]} parameters")

# %% [markdown]
# One layer of G keeps the rule by name only. The first transposed convolution looks at a single pixel, the latent vector: every number goes
# everywhere, and the arithmetic is that of a fully connected layer. Perhaps this is what the paper means with "completely connected".

# %%
first = plain.blocks["4"][0]
as_dense = nn.functional.linear(z, first.weight.flatten(1).T).unflatten(1, (-1, 4, 4))
apart = (first(z[:, :, None, None]) - as_dense).abs().max().item()
assert apart < 1e-5
print(f"first layer of G against a fully connected one with the same weights: they differ by {apart:.0e} at most")

# %% [markdown]
# ### Rule 3: batch norm, but not everywhere
#
# DCGAN draws its first weights from N(0, 0.02). Through such a layer a signal shrinks, and G is deep. Batch norm sets the size right again at
# every layer, whatever the weights are. Without it the signal must be kept alive by the weights themselves: drawn too small it vanishes, too
# large it explodes and Tanh is driven against its ends. He's weights, made for ReLU, nearly hold the balance without batch norm, at the first
# step.

# %%
signals = {}
for name, norm, kernels, factor in (("with batch norm", True, "normal", 1), ("without", False, "normal", 1),
                                    ("without, weights x 10", False, "normal", 10), ("without, He's weights", False, "he", 1)):  # fmt: skip
    deep = small_generator(512, latent_dim=100, norm=norm)
    initialise(deep, torch.Generator().manual_seed(0), kernels)
    with torch.no_grad():
        for weight in deep.parameters():
            weight.mul_(factor)
    signals[name] = spreads(deep, torch.randn(4, 100, generator=torch.Generator().manual_seed(1)))
plots.show(
    plot_spreads(signals, [str(4 * 2**place) for place in range(8)]),
    alt="Spread of the signal by layer of a generator for 512: level with batch norm, falling to a millionth without, hundreds with large weights.",
)

# %%
bare, normed = signals["without"][-1], signals["with batch norm"][-1]
print(f"before the first step a film of 512 x 512 has a spread of {bare:.0e} without batch norm, {normed:.2f} with it")

# %% [markdown]
# That is the even grey of the row above. D says 0.5 to every such film: grey is 0 here, and layers without a bias make nothing of nothing.
#
# Why not at G's output and D's input? Batch norm takes the mean out. At those two places the mean *is* information: how bright a film is.
# Make all films of a batch brighter, and see how much D notices, measured in the spread of its own verdicts.

# %%
for name, norm_first in (("input left alone", False), ("batch norm at the input", True)):
    judge = small_discriminator(64, norm_first=norm_first)
    initialise(judge, torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, brighter = judge(films64), judge(films64 + 0.3)
    print(f"{name:24} D's verdict moves by {(brighter - before).abs().mean() / before.std():.0%} of its spread")

# %% [markdown]
# ### Rule 4: ReLU inside G, Tanh at its output
#
# Films are brought to [−1, 1] before a network sees them. Tanh reaches just this range. A Sigmoid reaches the upper half of it, so a good
# part of every film is out of G's reach, and D needs to look for nothing else. With nothing at the output, G can make grey levels that no
# film has.

# %%
plots.show(
    plot_reach(real),
    alt="A histogram of grey levels from -1 to 1 and three arrows above it: Tanh reaches all of them, Sigmoid those above 0, nothing goes beyond.",
)

# %%
wild = played["nothing at G's output"].films
print(f"{(real < 0).float().mean():.0%} of the films' pixels are darker than any Sigmoid can make them")
print(f"with nothing at the output {(wild.abs() > 1).float().mean():.0%} of the pixels of the films above lie outside [-1, 1] and must be cut off")

# %% [markdown]
# Inside G the question is the slope, for it multiplies the gradient at every layer. ReLU's is 1 or 0, a Sigmoid's at most ¼. LeakyReLU has no such
# handicap, and its row above looks as good as ReLU's: this half of rule 4 is closer to a habit.

# %%
slope = torch.sigmoid(torch.tensor(0.0)) * (1 - torch.sigmoid(torch.tensor(0.0)))
for resolution in (32, 2048):
    inner = len(feature_maps(resolution, 8, 64))
    print(f"at {resolution:4}: {inner} activations inside G; the slopes of Sigmoids alone shrink a gradient {said(1 / slope.item() ** inner)}-fold")

# %% [markdown]
# ### Rule 5: LeakyReLU in D
#
# A ReLU passes no gradient where its input is negative, which is about half of all places at every layer; a LeakyReLU passes a fifth of it. G
# hears more. Does it need to? In the small game above hardly: there D is shallow and the game is short. Count the places all the same.

# %%
plots.show(
    plot_stopped({"LeakyReLU": silent["strided"], "ReLU": silent["ReLU"]}),
    alt="Bars per layer of D: with LeakyReLU no place is without a gradient, with ReLU about half of them are.",
)

# %% [markdown]
# ## Checkerboards
#
# Look again at the chests that keep all the rules: there is a grid over them. It is as old as transposed convolution (Odena et al. 2016), and
# the stamps explain it. With a kernel of 3 and a stride of 2, some pixels are reached by four stamps and their neighbours by one: even if all
# weights were equal, a grid would appear. A kernel of 4 overlaps evenly, because the stride divides it.

# %%
plots.show(
    plot_overlaps([(3, 2, 1), (4, 2, 1)]),
    alt="Counts of stamps per pixel. Kernel 3, stride 2: 1, 2 and 4 in a chequered pattern. Kernel 4, stride 2: 4 everywhere inside.",
)

# %% [markdown]
# Even overlap is needed, and it is not enough. Two neighbouring pixels are made by *different* weights of the kernel, and weights that were
# drawn at random are not equal. Send a constant field, in which there is nothing to see, through both kernels, once with equal weights and
# once with random ones.

# %%
flat = torch.ones(1, 1, 8, 8)
for kernel in (3, 4):
    equal = torch.from_numpy(overlaps(8, kernel, 2)[6:-6, 6:-6])
    weights = torch.randn(1, 1, kernel, kernel, generator=torch.Generator().manual_seed(0))
    drawn = nn.functional.conv_transpose2d(flat, weights, stride=2)[0, 0, 6:-6, 6:-6]
    apart = [field.std() / field.square().mean().sqrt() for field in (equal, drawn)]
    print(f"kernel {kernel}: pixels differ by {apart[0]:.0%} of their size with equal weights, by {apart[1]:.0%} with random ones")

# %% [markdown]
# So a fresh generator is full of grids, whichever kernel it has. Two mends are fields of this project's config. `blur=True` smooths features
# by a fixed [1 2 1] after every transposed convolution but the last, which makes the picture. `kernels="bilinear"` lets every kernel start as
# a smooth enlargement. Below are films from before the first step, and their mean spectrum: a grid of 2 pixels is a bright spot at the border
# of the spectrum, one of 4 pixels halfway out.

# %%
ways = made_by(64)
fresh = {name: untrained(*way) for name, way in ways.items()}
plots.show(
    plot_boards(fresh, {name: mean_spectrum(films) for name, films in fresh.items()}),
    alt="Untrained films and spectra for five ways to enlarge. Kernels of 3 and 4: grids, spectra full of regular bright spots. "
    "Blur: a fine grid of 2 pixels left. Bilinear kernels: soft clouds, no spots. Copied: blocks, no spots.",
)

# %% [markdown]
# Does it last? The same five, trained for a while, and the grid measured as the report of notebook 05 measures it: by how many decibels its
# frequencies stand out of the spectrum, more than they do in real films. 10 dB is ten times the power.

# %%
trained = {}
for name, (make, kernels) in ways.items():
    trained[name] = play(make(), small_discriminator(64), films64, steps=tiny(150, 2), batch_size=8, kernels=kernels).films
before, after = ({name: board_by_period(films, films64) for name, films in which.items()} for which in (fresh, trained))
panels = {f"grid of {period} pixels": {name: (before[name][period], after[name][period]) for name in ways} for period in (2, 4)}
plots.show(
    plot_measured(panels, ("before the first step", f"after {tiny(150, 2)} steps"), "dB above real films"),
    alt="Bars for grids of 2 and of 4 pixels, five ways to enlarge, before and after training. Blur has no grid of 4 pixels but one of 2; bilinear "
    "kernels start without grids and get both; copying has next to none.",
)

# %%
plots.show(
    plots.plot_rows({name.strip(): films[:6].clamp(-1, 1).numpy() for name, films in trained.items()}, side=1.1),
    alt="Six films after a short training for each of the five ways to enlarge.",
)

# %% [markdown]
# A good start is only a start: nothing holds the bilinear kernels in place, and at this large learning rate they soon lose their shape. The blur
# stays, for it is not learned: it takes the grid of 4 pixels, which inner layers make. The grid of 2 is made by the last layer, which comes after it.
# Copying keeps grids away for good, and breaks rule 1. No choice is free, and 150 steps from one seed decide nothing between them: longer trainings
# and what they measured are in `docs/recipe.md`.

# %% [markdown]
# ## What width and resolution cost
#
# Tables 1 to 3 have "size of feature maps in generator: 8" and the same for the discriminator, and say no more. The words are those of the
# PyTorch DCGAN tutorial: 8 maps at the last hidden layer, twice as many at every layer before it. The tutorial stops at 64 x 64; doubling on
# for 2048 x 2048 would need 2048 maps at 4 x 4. The `paper-*` presets stop at 64 maps, the field is `max_feature_maps`.

# %%
widths = {name: feature_maps(2048, 8, cap) for name, cap in (("no limit", 0), ("at most 128", 128), ("at most 64 (paper presets)", 64))}
plots.show(
    plot_widths(widths),
    alt="Feature maps by resolution for a film of 2048: 8 at 1024, doubling towards 4 x 4 up to 2048 without a limit, or level at 128 or 64.",
)

# %%
head = ["| film | parameters | with no limit | multiplications a film | with no limit | memory to train |", "| ---: " * 6 + "|"]
rows = []
for resolution in resolutions:
    cells = [f"{resolution}"]
    for what in ("parameters", "multiplies"):
        cells += [said(sum(getattr(stage, what) for stage in count(resolution, 8, cap, 100))) for cap in (64, 0)]
    rows.append(f"| {' | '.join([*cells, megabytes(training_memory(resolution, 8, 64, 100, 8))])} |")
display(Markdown("\n".join([*head, *rows])))

# %% [markdown]
# Read down a column: with the limit, each doubling of the resolution adds few parameters, while the work comes to four times as much. So does the
# memory, once it outgrows the 400 MB that Python and PyTorch take for themselves. It is that of a training step of both players with batches of 8,
# as `idcgan train` would forecast it.

# %%
needed = training_memory(2048, 8, 64, 100, 8)
print(f"the paper's machine has 16 GB (section 4); 2048 x 2048 with its settings needs about {megabytes(needed)}: it fits")
assert needed < 16e9

# %% [markdown]
# ## Try it: the generator for any resolution
#
# Five sliders, and what they do to the layers and their costs. Nothing is allocated: 2048 x 2048 with 64 maps and no limit is only counted.
# *Memory of features* is what this generator keeps for its way back; *training takes* counts both players, their weights and what PyTorch needs
# beside them.
#
# - Where do parameters lie, and where does the work? Move *at most* from 64 to *no limit* and watch both columns.
# - Which of the five sliders leave the parameters as they are?
# - What is the widest generator for 2048 x 2048 that trains within 16 GB with batches of 8? And with batches of 2?

# %%
widget = BuildGenerator()
widget

# %% [markdown]
# The same picture without sliders, for values of your own:

# %%
plots.show(
    widget.render(resolution=2048, feature_maps=8, cap=64, latent_dim=100, batch_size=8),
    alt="The generator for 2048 x 2048 as a diagram; below it, bars by resolution: parameters mostly at low ones, work and memory at high ones.",
)

# %% [markdown]
# ## Exercises
#
# Each has a cell to write in and a cell that checks it.
#
# ### Exercise 1 · How large is it?
#
# Write the pixels per side that a transposed convolution puts out.

# %% tags=["exercise"]
def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    raise NotImplementedError("exercise 1: where does the last stamp begin, and where does it end?")


# %% tags=["solution"]
def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    last_begins = (size - 1) * stride  # n stamps have n - 1 strides between them
    return last_begins + kernel - 2 * padding  # padding is cut off on both sides


# %% tags=["check"]
check.output_size(output_size)

# %% [markdown]
# ### Exercise 2 · How much does it learn?
#
# A block of G is a transposed convolution without bias, kernel x kernel, and the batch norm after it. How many parameters does it have?

# %% tags=["exercise"]
def block_parameters(maps_in: int, maps_out: int, kernel: int) -> int:
    raise NotImplementedError("exercise 2: count the kernels, then what batch norm learns for each map.")


# %% tags=["solution"]
def block_parameters(maps_in: int, maps_out: int, kernel: int) -> int:
    kernels = maps_in * maps_out * kernel**2  # one kernel for every pair of maps
    return kernels + 2 * maps_out  # batch norm: a scale and a shift; its running statistics are measured, not learned


# %% tags=["check"]
check.block_parameters(block_parameters)

# %% [markdown]
# ### Exercise 3 · Mend a network
#
# `check.broken_generator` below runs and would train, and it breaks three of the five rules. Which? Decide before you ask the check. Then
# write it anew with all five rules kept: 100 latent numbers to films of 1 x 32 x 32.

# %%
source(check.broken_generator)

# %% tags=["exercise"]
def mended_generator() -> nn.Sequential:
    raise NotImplementedError("exercise 3: begin with the layers of broken_generator and exchange what breaks a rule.")


# %% tags=["solution"]
def mended_generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),  # rule 1: learned, not copied
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),  # rule 3: normalised like the others
        nn.ConvTranspose2d(16, 1, 4, 2, 1, bias=False), nn.Tanh(),  # rule 4: the whole range of a film
    )  # fmt: skip


# %% tags=["check"]
check.mended_generator(mended_generator)

# %% [markdown]
# ### Exercise 4 · An even kernel
#
# For any stride: the smallest kernel *larger than the stride* whose stamps overlap evenly, and the padding with which n pixels become exactly
# stride · n.

# %% tags=["exercise"]
def even_kernel(stride: int) -> tuple[int, int]:
    """The kernel and the padding."""
    raise NotImplementedError("exercise 4: which kernels does a stride divide? Then solve the formula for padding.")


# %% tags=["solution"]
def even_kernel(stride: int) -> tuple[int, int]:
    """The kernel and the padding."""
    # (n - 1) * stride - 2 * padding + kernel = n * stride asks for padding = (kernel - stride) / 2, a whole number:
    # with kernel = 2 * stride that is stride / 2, which an odd stride does not give; 3 * stride always does
    kernel = 2 * stride if stride % 2 == 0 else 3 * stride
    return kernel, (kernel - stride) // 2


# %% tags=["check"]
check.even_kernel(even_kernel)

# %% [markdown]
# ## Recap
#
# - The rules keep two signals alive: the picture on its way through G, and the gradient on its way back through D. Batch norm and the range of the
#   output decide at once; pooling costs; which kind of ReLU hardly shows in a short game.
# - out = (in − 1) · stride − 2 · padding + kernel. Kernel 4, stride 2, padding 1 doubles.
# - Checkerboards come from stamps that overlap unevenly, and from stamps that overlap evenly with unequal weights. A fixed blur, a smooth start and
#   copying each help in their own way.
# - Parameters lie where maps are many, work and memory where pixels are many.
#
# **Can you answer these?**
#
# 1. Which three numbers make a transposed convolution double the resolution, and how many such layers lead from 4 x 4 to 2048 x 2048?
# 2. Which two sentences of section 3.1 contradict the paper's own list, and how?
# 3. Why does max pooling in D hurt G?
# 4. Why is there no batch norm at G's output and at D's input?
# 5. A kernel of 4 with stride 2 overlaps evenly. Why is there a checkerboard all the same?
# 6. You double the resolution of the film and keep the limit on feature maps. What becomes of parameters, multiplications and memory?
#
# <details><summary>Answers</summary>
#
# 1. Kernel 4, stride 2, padding 1. Nine, for 2048 / 4 = 512 = 2⁹.
# 2. DCGAN is called "completely connected", and rule 2 takes fully connected layers out; transposed convolution is named for going down and
#    strided convolution for going up, the wrong way round.
# 3. G learns from the gradient that comes back through D, and pooling passes it to one place in four, at every layer.
# 4. It takes the mean of the batch out, and there the mean says how bright the films are: G could not choose it and D could not see it.
# 5. Neighbouring pixels are made by different weights of the kernel, and these need not be equal.
# 6. Parameters hardly grow; multiplications and memory come to about four times as much.
#
# </details>
#
# **References.** The paper, section 3.1 (the five rules and the diagram of the generator), Tables 1 to 3 (feature maps), section 4 (the
# machine). Radford, Metz and Chintala 2015, *Unsupervised representation learning with deep convolutional generative adversarial networks*.
# Ioffe and Szegedy 2015 (batch normalisation). He et al. 2015 (weights for ReLU). Odena, Dumoulin and Olah 2016, *Deconvolution and
# checkerboard artifacts*. In this project: `docs/paper.md`, `docs/recipe.md`.
#
# **Next:** [03 · Pyramid data](03_pyramid_data.ipynb), the films that these networks learn from, at every resolution.
