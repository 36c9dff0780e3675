# %% tags=["imports"]
from functools import partial

import torch
from IPython.display import Markdown, display
from torch import nn

from idcgan import plots
from idcgan.architecture_widget import BuildGenerator, count
from idcgan.building import build, initialise
from idcgan.checkerboards import board_by_period, made_by, mean_spectrum, overlaps, untrained
from idcgan.config import preset
from idcgan.course import opening, source, tiny
from idcgan.exercises import dcgan_rules as check
from idcgan.layers import SmoothUp
from idcgan.layers_plots import megabytes, plot_dense, plot_diagram, plot_overlaps, plot_widths
from idcgan.layers_view import convolved_size, layers, plain_generator, said, spreads, stages, stopped, training_memory, transposed_size
from idcgan.memory import multiplies
from idcgan.networks import feature_maps
from idcgan.rules import RULES, check_dcgan_rules
from idcgan.rules_plots import plot_boards, plot_measured, plot_reach, plot_spreads, plot_stopped, plot_verdicts
from idcgan.small_dcgan import VARIANTS, copied_up, level_on, phantom_batch, play, small_discriminator, small_generator, strided_up

# %%
opening("step")

# %% [markdown]
# ## The rules
#
# Equation 1 (notebook 01) says what the two players want, not how they are built. In 2015 Radford, Metz and Chintala tried many ways to build
# them and kept a handful of rules under which training mostly works. That is DCGAN, the D and the C standing for deep and convolutional. The
# paper that this project rebuilds (see `docs/paper.md`) takes it over in section 3.1 as a list of five; here in our words. (The paper's
# prose around the list has two slips: it calls a DCGAN "made up of completely connected or convolution layers", which rule 2 forbids, and
# names transposed convolution for the way down and strides for the way up. It is the other way round.)

# %%
display(Markdown("\n".join(f"{number}. {rule}" for number, rule in RULES.items())))

# %% [markdown]
# The words in it, one line each:
#
# - A **convolution** slides a small square of weights, its *kernel*, over a picture; each number that comes out is the weighted sum of what lies
#   under the kernel. With a *stride* of 2 it moves two pixels at a time and halves the picture. A **transposed convolution** goes the other way.
# - **Feature maps** are the pictures between the layers: a layer takes in several and puts out several, each from all those that came in.
# - **Pooling** halves without weights: of four pixels it keeps the largest (max pooling) or the mean.
# - **Batch norm** brings every feature map, over all pixels and all films of a batch, to mean 0 and standard deviation 1. Then it multiplies by a
#   scale and adds a shift, both learned, one of each per map. (In training these are the batch's own mean and deviation. For finished films
#   fixed ones, measured over many batches, take their place.)
# - **ReLU** turns negative numbers into 0, **LeakyReLU** into a fifth of themselves. **Tanh** squeezes all numbers between −1 and 1, a **Sigmoid**
#   between 0 and 1.
#
# `check_dcgan_rules` reads a network as a list of claims, every rule at every layer that it speaks of. (Each rule is a few lines in
# `idcgan/rules.py`.) The paper's networks at 64 x 64 keep the rules; here is what it says about rule 3 in D:

# %%
generator, discriminator = build(preset("paper-normal-15"), level=0, seed=0)
for network in (generator, discriminator):
    checks = check_dcgan_rules(network)
    assert all(claim.passed for claim in checks)
    print(f"{type(network).__name__}: {len(checks)} claims, all of them hold")
for claim in checks:
    if claim.rule == 3:
        print(f"  {claim.layer:14} {claim.sentence}")

# %% [markdown]
# ## The generator, layer by layer
#
# A DCGAN generator is a chain: a layer that turns the latent vector z into 4 x 4 pixels of many maps, then blocks of batch norm, ReLU and a
# transposed convolution, each of which doubles the resolution. The whole of it, small enough to train in seconds, with parts that can be exchanged:

# %%
source(feature_maps, strided_up, small_generator)

# %% [markdown]
# The generator that this project trains (`Generator` in `idcgan/networks.py`) is the same chain, with options that this notebook and notebook 04
# come to: other ways to enlarge (`smooth_from`), maps as fine as the film (`fine_head`), a film at every level (`skip`); and one more, noise for fine
# texture (`grain`, see `docs/fields.md`). With the options off and the same weights both make the same films:

# %%
plain = plain_generator(resolution=64, maps_at_last=8, cap=64, latent_dim=100, device="cpu")
small = small_generator(resolution=64, maps=8, latent_dim=100)
small.load_state_dict(dict(zip(small.state_dict(), plain.state_dict().values(), strict=True)))
z = torch.randn(2, 100)
with torch.no_grad():
    print(f"they differ by {(small(z) - plain(z)).abs().max():.0e} at most")
assert torch.allclose(small(z), plain(z), atol=1e-6)

# %% [markdown]
# The paper shows its generator in a diagram without a number (section 3.1). This is one of the same kind, drawn from the counted layers: from left
# to right fewer and fewer maps, larger and larger pictures.

# %%
plots.show(
    plot_diagram(100, stages(layers(plain, z))),
    alt="The generator as a row of bars: 100 latent numbers, 64 maps of 4 x 4, 32 of 8 x 8, 16 of 16 x 16, 8 of 32 x 32, a film of 64 x 64.",
)

# %% [markdown]
# The same as a table. Every line is one layer that was run; shapes are (maps, height, width) of one film.

# %%
rows = [f"| `{each.name}` | {each.kind} | {each.given} | {each.out} | {each.parameters:,} |" for each in layers(plain, z)]
display(Markdown("\n".join(["| layer | kind | takes in | puts out | parameters |", "| --- | --- | --- | --- | ---: |", *rows])))

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
# reach a pixel. Two neighbouring stamps are framed, orange and black; outside the dashed frame is what padding cuts off.

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
# The discriminator goes the same way down: an ordinary convolution with the same three numbers halves. Its padding is a frame of zeros that is
# *added*, and the kernel stops wherever the next step would not fit any more (⌊ ⌋ rounds down):
#
# $$\text{out} = \left\lfloor\frac{\text{in} + 2\cdot\text{padding} - \text{kernel}}{\text{stride}}\right\rfloor + 1$$

# %%
way = [64]
while way[-1] > 4:
    way.append(convolved_size(way[-1], kernel=4, stride=2, padding=1))
way.append(convolved_size(way[-1], kernel=4, stride=1, padding=0))
print("film to verdict:", " → ".join(map(str, way)))

# %% [markdown]
# ## Ten ways to break the rules
#
# Are the rules laws or habits? From the exchangeable parts of the small networks come ten pairs, in each of which one rule is broken. The check
# should find the right one in every row.

# %%
found = {}
for name, pair in VARIANTS.items():
    found[name] = check_dcgan_rules(pair.generator(), "generator") + check_dcgan_rules(pair.discriminator(), "discriminator")
plots.show(
    plot_verdicts(found),
    alt="A table of eleven pairs of networks by five rules: the first row has five ticks, every other row a cross under the one rule that it breaks.",
)

# %% [markdown]
# Now all of them train: the same 64 phantom films at 32 x 32, the same first weights where the layers allow it, 200 steps each. This takes
# about half a minute.

# %%
real = phantom_batch(tiny(64, 16), 32)
played = {}
for name, pair in VARIANTS.items():
    played[name] = play(pair.generator(), pair.discriminator(), real, steps=tiny(200, 3))
print(f"{len(played)} games played")

# %%
shown = tiny(8, 2)
rows = {"real films": real[:shown].numpy()} | {name: game.films[:shown].clamp(-1, 1).numpy() for name, game in played.items()}
plots.show(
    plots.plot_rows(rows, side=0.85),
    alt="Eight films per row. Chests under a grid where all rules are kept, with LeakyReLU in G, with nothing at its end and, the lungs a little "
    "less plain, with ReLU in D; with pixels copied upwards chests without a grid; fainter ones with max pooling and batch norm everywhere; even "
    "grey without batch norm and with Sigmoid inside G; specks in the other rows.",
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
films64 = phantom_batch(tiny(64, 12), 64)
silent = {name: stopped(network, films64[:16], (nn.LeakyReLU, nn.ReLU, nn.MaxPool2d)) for name, network in ones_of_d.items()}
silent["max pooling"] = silent["max pooling"][1::2]  # of each pair, activation and pooling, what stands before the pooling
plots.show(
    plot_stopped({name: silent[name] for name in ("strided", "max pooling")}),
    alt="Bars per layer of D: with strided convolutions no place is without a gradient, with max pooling three quarters of them are.",
)

# %% [markdown]
# Going up, the other half of rule 1, the case is weaker. Copying every pixel four times and convolving then is a respectable way to enlarge
# (Odena et al. 2016 advise it); the section on checkerboards below says why. What it costs is work: 3 x 3 weights at four times as many places,
# 9 · 4 = 36 multiplications for every pixel that goes in, against the 4 · 4 = 16 of a stamp.

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
print(f"at 2048 x 2048: {said(dense[-1])} parameters of 4 bytes, {4 * dense[-1] / 1e12:.0f} terabytes, against {convolution[-1]} parameters")

# %% [markdown]
# One layer of G keeps the rule by name only. The first transposed convolution looks at a single pixel, the latent vector: every number goes
# everywhere, and the arithmetic is that of a fully connected layer.

# %%
first = plain.blocks["4"][0]
as_dense = nn.functional.linear(z, first.weight.flatten(1).T).unflatten(1, (-1, 4, 4))
apart = (first(z[:, :, None, None]) - as_dense).abs().max().item()
assert apart < 1e-5
print(f"first layer of G against a fully connected one with the same weights: they differ by {apart:.0e} at most")

# %% [markdown]
# ### Rule 3: batch norm, but not everywhere
#
# DCGAN draws its first weights at random, with mean 0 and a standard deviation of 0.02. A number that a kernel of 4 with stride 2 puts out is a
# sum of 4 terms per map that goes in, so one layer multiplies the size of a signal by at most about 0.02 · √(4 · maps): less than 1 for any
# number of maps below 625, and G is deep. Batch norm sets the size right again at every layer, whatever the weights are. Without it the weights
# themselves must keep the signal alive: drawn too small it vanishes, too large it explodes and Tanh is driven against its ends. Weights drawn
# after He et al. (2015), for each layer as large as its number of terms asks, nearly hold the balance at the first step.
#
# The *spread* of a signal is its standard deviation over all pixels, maps and films.

# %%
signals = {}
for name, norm, kernels, factor in (("with batch norm", True, "normal", 1), ("without", False, "normal", 1),
                                    ("without, weights x 10", False, "normal", 10), ("without, weights as He et al.", False, "he", 1)):  # fmt: skip
    deep = small_generator(512, latent_dim=100, norm=norm)
    initialise(deep, torch.Generator().manual_seed(0), kernels)
    with torch.no_grad():
        for weight in deep.parameters():
            weight.mul_(factor)
    signals[name] = spreads(deep, torch.randn(4, 100, generator=torch.Generator().manual_seed(1)))
plots.show(
    plot_spreads(signals, [str(4 * 2**place) for place in range(8)]),
    alt="Spread of the signal by layer of a generator for 512: level with batch norm until the film, falling to some millionths without, "
    "in the hundreds with large weights until Tanh ends it at 1.",
)

# %%
bare, normed = signals["without"][-1], signals["with batch norm"][-1]
print(f"before the first step a film of 512 x 512 has a spread of {bare:.0e} without batch norm, {normed:.2f} with it")

# %% [markdown]
# That is the even grey of the row above. D says 0.5 to every such film: this grey is the number 0, and where 0 goes into layers without a bias,
# 0 comes out.
#
# The last point falls in every curve: the film's own layer has no batch norm (rule 3), and Tanh ends what is large at ±1.
#
# Why no batch norm at G's output and at D's input? It takes the mean of the batch out, and there the mean is information: how bright the films
# are. G could then learn one mean brightness for all batches, the shift; a film could be brighter only if others of its batch were darker. And D,
# if batch norm follows its first convolution, should not notice a whole batch that is brighter. We measure by how much its verdicts move, as a
# share of their own spread.

# %%
for name, normed, edges in (("input left alone", False, "zeros"), ("batch norm there", True, "zeros"), ("same, edges repeated", True, "replicate")):
    judge = small_discriminator(64, norm_first=normed)
    initialise(judge, torch.Generator().manual_seed(0))
    judge[0].padding_mode = edges
    with torch.no_grad():
        before, brighter = judge(films64), judge(films64 + 0.3)
    print(f"{name:22} D's verdicts move by {(brighter - before).abs().mean() / before.std():.0%} of their spread")

# %% [markdown]
# With batch norm D notices less, and not nothing, because the first convolution pads the films with zeros. Zeros do not become brighter, so at
# the border sums of fewer terms move less than inside, and this difference passes. In the third line the padding repeats the film's edge instead,
# everything moves alike, and D is blind to brightness.

# %% [markdown]
# ### Rule 4: ReLU inside G, Tanh at its output
#
# Films are brought to [−1, 1] before a network sees them. Tanh reaches just this range. A Sigmoid reaches the upper half of it, so a good
# part of every film is out of G's reach, and D needs to look for nothing else. With nothing at the output, G can make grey levels that no
# film has.

# %%
plots.show(
    plot_reach(real),
    alt="A histogram of grey levels from -1 to 1 and three arrows above it: Tanh reaches all of them, Sigmoid those above 0, and without a last "
    "activation G reaches beyond both ends.",
)

# %%
wild = played["nothing at G's output"].films
print(f"{(real < 0).float().mean():.0%} of the films' pixels are darker than any Sigmoid can make them")
print(f"with nothing at the output {(wild.abs() > 1).float().mean():.0%} of the pixels of the films above lie outside [-1, 1] and must be cut off")

# %% [markdown]
# Inside G the slope multiplies the gradient at every layer, as the weights do. ReLU's is 1 or 0, a Sigmoid's at most ¼, so *without* batch norm
# the slopes of n Sigmoids alone make it at least 4ⁿ times smaller; below is how much that is. *With* it, as in the row above, the next batch norm
# undoes a common factor. So the slope does not explain the grey row; that a Sigmoid is flat at both ends, and that what it puts out lies around ½
# with few values near 0, may, and this game does not tell. LeakyReLU's row looks as good as ReLU's: this half of rule 4 is closer to a habit.

# %%
slope = torch.sigmoid(torch.tensor(0.0)) * (1 - torch.sigmoid(torch.tensor(0.0)))
for resolution in (32, 2048):
    inner = len(feature_maps(resolution, 8, 64))
    smaller = said(1 / slope.item() ** inner)
    print(f"at {resolution:4}: {inner} activations inside G; the slopes of so many Sigmoids make a gradient at least {smaller} times smaller")

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
# Look again at the chests that keep all the rules: there is a grid over them. Odena et al. (2016) explain it by the stamps. With a kernel of 3
# and a stride of 2, some pixels are reached by four stamps, those beside them by two, and those diagonally between by one: even if all weights
# were equal, a grid would appear. A kernel of 4 overlaps evenly, because the stride divides it. (By the formula a kernel of 3, stride 2, padding 1
# makes 2n - 1 pixels, as the left title says; the network of such kernels below asks PyTorch for one more row and column, `output_padding=1`.)

# %%
plots.show(
    plot_overlaps([(3, 2, 1), (4, 2, 1)]),
    alt="Counts of stamps per pixel. Kernel 3, stride 2: 4, beside it 2, diagonally 1, again and again. Kernel 4, stride 2: 4 everywhere inside.",
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
# So a fresh generator is full of grids, whichever kernel it has. Three remedies are fields of this project's config (a fourth, `blur`, smooths
# the features after each layer); the first and the last are tried below:
#
# - `kernels="bilinear"` lets every kernel *start* as a smooth enlargement; then it learns freely.
# - `balanced_kernels=True` holds one thing fast. A kernel of 4 x 4 at stride 2 is four kernels of 2 x 2, one for each pixel of a block of 2 x 2.
#   After every step their sums are set to the mean of the four, and a flat field comes out flat (the condition of Sugawara et al. 2018). Where
#   features change from pixel to pixel the four still differ, and in runs on real films a grid was left (`docs/tries.md`).
# - `smooth_from=4` enlarges smoothly with fixed weights, at every layer from 4 x 4 up, and then convolves 3 x 3 with learned ones:

# %%
source(SmoothUp)

# %% [markdown]
# One pixel through it leaves a stamp of 6 x 6. A transposed convolution with that stamp does the same, whatever the 3 x 3 weights are, and from a
# flat field it makes a flat one. So rule 1 holds, and no grid of 2 pixels can be learned. It has its price: a picture straight out of a smooth
# enlargement has no edge as sharp as a pixel, and a discriminator sees that. So where enlargement is smooth, `fine_head` puts one more convolution
# behind it. Nor is a flat field all there is: what changes slowly leaves a weak echo near the finest frequency (notebook 03 draws echoes), and that
# is a grid too. With `spline_from` features are enlarged with [1 5 10 10 5 1] / 16 instead of [1 3 3 1] / 4, which leaves less of it.

# %%
up, pixel, picture = SmoothUp(1, 1), torch.zeros(1, 1, 9, 9), torch.randn(1, 1, 8, 8)
pixel[..., 4, 4] = 1
with torch.no_grad():
    stamp = up(pixel)[..., 6:12, 6:12]
    as_stamps = nn.functional.conv_transpose2d(picture, stamp, stride=2, padding=2)
    apart = (up(picture) - as_stamps)[..., 2:-2, 2:-2].abs().max().item()
    field = up(flat)[..., 6:-6, 6:-6]
assert apart < 1e-5
print(f"inside, SmoothUp and its stamp of 6 x 6 differ by {apart:.0e} at most")
print(f"a flat field: pixels differ by {field.std() / field.square().mean().sqrt():.0%} of their size")

# %% [markdown]
# Below are films from before the first step. The last row is their *spectrum*: how much of a film varies slowly (the middle) and how much from
# pixel to pixel (the border), bright where there is much. A grid repeats exactly, so it is a bright spot: grids of 2 and of 4 pixels would be
# at the rings. Other spots are grids of 8 pixels and more, from layers further in.

# %%
ways = made_by(64)
fresh = {name: untrained(*way, count=tiny(32, 4)) for name, way in ways.items()}
plots.show(
    plot_boards(fresh, {name: mean_spectrum(films) for name, films in fresh.items()}),
    alt="Untrained films and spectra for five ways to enlarge. Kernels of 3 and 4: grids, spectra full of regular bright spots, also in the rings. "
    "Bilinear start and SmoothUp: soft clouds, nothing in the rings. Copied: blocks, nothing in the rings.",
)

# %% [markdown]
# Does it last? The same five, trained for a while, and the grid measured as the report of notebook 05 measures it: by how many decibels its
# frequencies stand out of the spectrum, more than they do in real films. 10 dB is ten times the power.

# %%
trained = {}
for name, (make, kernels) in ways.items():
    trained[name] = play(make(), small_discriminator(64), films64, steps=tiny(150, 2), batch_size=8, kernels=kernels).films[: len(films64)]
before, after = ({name: board_by_period(films, films64) for name, films in which.items()} for which in (fresh, trained))
panels = {f"grid of {period} pixels": {name: (before[name][period], after[name][period]) for name in ways} for period in (2, 4)}
plots.show(
    plot_measured(panels, ("before the first step", f"after {tiny(150, 2)} steps"), "dB above real films"),
    alt="Bars for grids of 2 and of 4 pixels, five ways to enlarge, before and after training. The bilinear start has no grids and gets both; "
    "SmoothUp and copying have next to none before and after.",
)

# %%
plots.show(
    plots.plot_rows({name.strip(): films[:6].clamp(-1, 1).numpy() for name, films in trained.items()}, side=1.1),
    alt="Six films after a short training for each way. Kernel of 3: a grid and nothing else. Kernel of 4 and bilinear start: chests under a grid. "
    "SmoothUp: soft chests. Copied: chests with some fine stripes.",
)

# %% [markdown]
# A good start is only a start: nothing holds the bilinear kernels in place, and at this large learning rate they soon lose their shape. SmoothUp
# keeps its smooth part for good, for that is not learned; its films are soft at this point. Copying lasts as well. By the argument above it is a
# transposed convolution too, with a stamp of 4 x 4; it breaks rule 1 as the check reads it, by its layers and not by what they compute. Both cost
# the 36 multiplications above instead of 16. Which makes the better films in the end, 150 steps from one seed cannot say.

# %% [markdown]
# ## What width and resolution cost
#
# Tables 1 to 3 give a "size of feature maps" of 8 for both players. We read it as the PyTorch DCGAN tutorial does: 8 maps at the layer next to
# the film (G's last hidden one, D's first), twice as many at each layer further in. For 2048 x 2048 that would be 2048 maps at 4 x 4, so the
# `paper-*` presets stop at 64 (the field is `max_feature_maps`).

# %%
widths = {name: feature_maps(2048, 8, cap) for name, cap in (("no limit", 0), ("at most 128", 128), ("at most 64 (paper presets)", 64))}
plots.show(
    plot_widths(widths),
    alt="Feature maps by resolution for a film of 2048: 8 at 1024, doubling towards 4 x 4 up to 2048 without a limit, or level at 128 or 64.",
)

# %%
names = ("film", "parameters of G, at most 64 maps", "no limit", "multiplications of G, at most 64 maps", "no limit", "memory of both in training")
head = [f"| {' | '.join(names)} |", "| ---: " * 6 + "|"]
rows = []
for resolution in resolutions:
    cells = [f"{resolution}"]
    for what in ("parameters", "multiplies"):
        cells += [said(sum(getattr(stage, what) for stage in count(resolution, 8, cap, 100))) for cap in (64, 0)]
    rows.append(f"| {' | '.join([*cells, megabytes(training_memory(resolution, 8, 64, 100, 8))])} |")
display(Markdown("\n".join([*head, *rows])))

# %% [markdown]
# Read down a column: with the limit, each doubling of the resolution adds the same 66 thousand parameters (a layer more, from 64 maps to 64,
# in each player), while the work comes to four times as much. So does that
# part of the memory that lies above the 400 MB which Python and PyTorch take for themselves. It is the memory of a training step of both players
# with batches of 8, as `idcgan train` would forecast it.

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
# - Which slider leaves the parameters as they are?
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
# <details><summary>Answers to the three questions</summary>
#
# - Parameters lie at low resolutions, where maps are many, the more so with no limit; work and memory lie at high ones, where pixels are many.
# - Only the batch size. (The latent size changes the first layer.)
# - With batches of 8: 16 maps, at most 512. With batches of 2: 64 maps, at most 512, or 16 with no limit.
#
# </details>

# %% [markdown]
# ## Exercises
#
# Each has a cell to write in and a cell that checks it.
#
# ### Exercise 1 · What must go in?
#
# You want `size` pixels per side out of a transposed convolution. How many must go in? Give back `None` where no input makes exactly that size.

# %% tags=["exercise"]
def input_size(size: int, kernel: int, stride: int, padding: int) -> int | None:
    raise NotImplementedError("exercise 1: how many strides lie between the first stamp and the last, and is that a whole number?")


# %% tags=["solution"]
def input_size(size: int, kernel: int, stride: int, padding: int) -> int | None:
    between = size + 2 * padding - kernel  # from where the first stamp begins to where the last one does
    if between < 0 or between % stride:
        return None  # smaller than one stamp, or no whole number of strides
    return between // stride + 1  # n stamps have n - 1 strides between them


# %% tags=["check"]
check.input_size(input_size)

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
# ### Exercise 3 · Repair a network
#
# `check.broken_generator` below runs and would train, and it breaks three of the five rules. Which? Decide before you ask the check. Then
# write it again with all five rules kept: 100 latent numbers to films of 1 x 32 x 32.

# %%
source(check.broken_generator)

# %% tags=["exercise"]
def repaired_generator() -> nn.Sequential:
    raise NotImplementedError("exercise 3: begin with the layers of broken_generator and exchange what breaks a rule.")


# %% tags=["solution"]
def repaired_generator() -> nn.Sequential:
    return nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),  # rule 1: learned, not copied
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),  # rule 3: normalised like the others
        nn.ConvTranspose2d(16, 1, 4, 2, 1, bias=False), nn.Tanh(),  # rule 4: the whole range of a film
    )  # fmt: skip


# %% tags=["check"]
check.repaired_generator(repaired_generator)

# %% [markdown]
# Which three were they? `[claim for claim in check_dcgan_rules(check.broken_generator(), "generator") if not claim.passed]` has the answer.
#
# ### Exercise 4 · An even kernel
#
# For any stride: the smallest kernel *larger than the stride* whose stamps overlap evenly **and** for which a whole number as padding turns n
# pixels into exactly stride · n. Give back both. (Without that number a kernel does not count; try the next one.)

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
# - The rules keep two signals alive: the picture on its way through G, and the gradient on its way back through D. Batch norm, and no Sigmoid at
#   the output, decide at once; pooling costs; which kind of ReLU hardly shows in a short game.
# - out = (in − 1) · stride − 2 · padding + kernel. Kernel 4, stride 2, padding 1 doubles.
# - Checkerboards come from stamps that overlap unevenly, and from stamps that overlap evenly with unequal weights. A smooth start helps at the
#   start; enlarging with fixed weights (`smooth_from`, copying) helps for good and costs more work.
# - Parameters lie where maps are many, work and memory where pixels are many.
#
# **Can you answer these?**
#
# 1. Which three numbers make a transposed convolution double the resolution, and how many such layers lead from 4 x 4 to 2048 x 2048?
# 2. SmoothUp has no transposed convolution in it. Why does it keep rule 1, and why can it never make a grid of 2 pixels?
# 3. Why does max pooling in D hurt G?
# 4. Why is there no batch norm at G's output and at D's input?
# 5. A kernel of 4 with stride 2 overlaps evenly. Why is there a checkerboard all the same?
# 6. You double the resolution of the film and keep the limit on feature maps. What becomes of parameters, multiplications and memory?
#
# <details><summary>Answers</summary>
#
# 1. Kernel 4, stride 2, padding 1. Nine, for 2048 / 4 = 512 = 2⁹.
# 2. It equals a transposed convolution with a stamp of 6 x 6 that is partly learned. A flat field comes out of it flat, whatever the 3 x 3 weights
#    are.
# 3. G learns from the gradient that comes back through D, and pooling passes it to one place in four, at every layer.
# 4. It takes the mean of the batch out, and there the mean says how bright the films are. G could learn only one mean
#    for all batches; D could hardly see it.
# 5. Neighbouring pixels are made by different weights of the kernel, and these need not be equal.
# 6. Parameters grow by one layer's worth; multiplications and memory come to about four times as much.
#
# </details>
#
# **References.** The paper, section 3.1 (the five rules and the diagram of the generator), Tables 1 to 3 (feature maps), section 4 (the
# machine). Radford, Metz and Chintala 2015, *Unsupervised representation learning with deep convolutional generative adversarial networks*.
# Ioffe and Szegedy 2015 (batch normalisation). He et al. 2015 (weights for ReLU). Odena, Dumoulin and Olah 2016, *Deconvolution and
# checkerboard artifacts*. Sugawara, Shiota and Kiya 2018, *Super-resolution using convolutional neural networks without any checkerboard
# artifacts*. In this project: `docs/paper.md`, `docs/recipe.md`.
#
# **Next:** [03 · Pyramid data](03_pyramid_data.ipynb), the films that these networks learn from, at every resolution.
