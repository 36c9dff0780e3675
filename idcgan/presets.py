"""The presets: fields of RunConfig by name, with the reasons."""

from __future__ import annotations

from typing import Any

# Tables 1-3 and section 4, and nothing else: one batch size, one learning rate, no augmentation, no average. The tables'
# words ("size of feature maps in generator") are those of the PyTorch DCGAN tutorial, whose widest layer has 8 times that
# size, as DCGAN's has: 64 here (`--set max_feature_maps=0` for doubling without end: 2048 at 4 x 4). The epochs are read
# as those of the whole run, as the algorithm has it ("Start training ... Incrementally change the resolution ... Continue
# above training for all epochs"): 15, 20 and 10 share evenly over the five sets D1-D5. The other reading, all epochs at
# every level, is `--set epochs_for=level`.
_PAPER = dict(
    resolutions=(64, 128, 512, 1024, 2048),
    max_feature_maps=64,
    growth="reset",
    transition="replace",
    learning_rate=0.0001,
    batch_size=(8,),
    feature_maps_g=8,
    feature_maps_d=8,
    channels=1,
    log_every=1,  # 18 to 68 steps a level: Figures 2-4 need every one
)

PRESETS: dict[str, dict[str, Any]] = {
    "paper-normal-15": dict(_PAPER, label_class="normal", epochs=15),  # Table 1
    "paper-normal-20": dict(_PAPER, label_class="normal", epochs=20),  # Table 2
    "paper-abnormal-10": dict(_PAPER, label_class="abnormal", epochs=10),  # Table 4
    "paper-abnormal-20": dict(_PAPER, label_class="abnormal", epochs=20),  # Table 3, with the 76 films of section 4
    # Growing anew, for fifteen minutes on two cores: the best found without phantoms (docs/tries.md).
    "growing": dict(
        # below 128 growing has not paid
        resolutions=(128, 256),
        minutes=15.0,
        level_shares=(0.5, 0.5),
        epochs=0,
        # wide where the fine structure is made (32 maps at 64 x 64), not where the outline is
        feature_maps_g=16,
        feature_maps_d=16,
        max_feature_maps=128,
        # no frame around the films, no grid at the start, none of two pixels ever
        edges="replicate",
        kernels="bilinear",
        smooth_from=64,
        # D has more to look at than a few hundred films, and G need not make texture from z
        patches=True,
        grain=True,
        # exposure augmented comes back in the films; the border augmented in black comes back as bars; the heart has a side, so no flips
        augment=("shift",),
        learning_rate=0.0012,
        # no fine_head and no faster D, which help at 128: at 256 D went far ahead with both (docs/tries.md)
        learning_rate_d=0.0005,
        # much of what a run gains it gains while the rates fall
        cool_down=0.4,
        # preserved growth does not jump, so the films of the level below are needed for a short while only
        transition_share=0.25,
        ema=0.995,
    ),
    # seconds: for tests and continuous integration, far too short to learn anything
    "tiny": dict(
        resolutions=(16, 32),
        feature_maps_g=4,
        feature_maps_d=4,
        max_feature_maps=16,
        latent_dim=16,
        epochs=4,
        batch_size=(4,),
        learning_rate=0.0004,
        augment=("brightness", "translation"),
        ema=0.9,
        log_every=1,
        samples=4,
        moments=2,
        workers=1,
        checkpoint_seconds=0.0,
    ),
}
# ten seconds: the outline of a chest, where a test or a first look wants a picture
PRESETS["sketch"] = dict(
    PRESETS["tiny"],
    resolutions=(32, 64),
    level_shares=(0.7, 0.3),
    epochs=60,
    batch_size=(8,),
    feature_maps_g=8,
    feature_maps_d=8,
    max_feature_maps=128,
    latent_dim=64,
    kernels="bilinear",
    edges="replicate",
    smooth_from=32,
    augment=("shift",),
    learning_rate=0.0012,
    learning_rate_d=0.0005,
    ema=0.95,
    samples=8,
    moments=6,
)
# up to 256 and in under four minutes, a first look on any machine: growing, from 64, and with 64 maps at most (docs/runs.md)
PRESETS["laptop"] = dict(
    PRESETS["growing"],
    resolutions=(64, 128, 256),
    minutes=3.5,
    level_shares=(0.35, 0.4, 0.25),
    max_feature_maps=64,
)
# The best found for fifteen minutes on two cores (docs/recipe.md#from-phantoms): chests at 256.
PRESETS["recommended"] = dict(
    PRESETS["growing"],
    # players that have seen phantoms know what a chest is; a few hundred films then teach them how real ones look
    from_phantoms=True,
    # a few hundred films do not teach D what an edge is; a network that knows photographs can lend it that (docs/recipe.md#borrowed-features)
    projected=True,
    resolutions=(256,),
    level_shares=(),
    # what has learnt its anatomy already can afford a picture as sharp as a film, and has to keep up with a faster D
    fine_head=True,
    learning_rate_d=0.0012,
    cool_down=0.8,
    # with phantoms behind them the weights move together: a longer average is a better one
    ema=0.998,
)
# the same at 128 in four minutes, and as wide at each resolution: maps are counted from the top
PRESETS["quick"] = dict(
    PRESETS["recommended"],
    resolutions=(128,),
    minutes=4.0,
    feature_maps_g=32,
    feature_maps_d=32,
    learning_rate_d=0.0024,
)
# under two hours, to 2048: recommended for an hour, then each level on crops, from its finished generator (docs/recipe.md#on-crops-512-1024-and-2048)
PRESETS["long"] = dict(
    PRESETS["recommended"],
    resolutions=(256, 512, 1024, 2048),
    minutes=110.0,
    # little at 2048, where few films have more than at 1024; where fewer than a batch have, nothing is trained, and the others have its minutes
    level_shares=(0.545, 0.195, 0.185, 0.075),
    # as wide as recommended up to 256, and 16 maps above: with 8 the spectrum at 512 was 4 dB short in its middle
    feature_maps_g=2,
    feature_maps_d=2,
    min_feature_maps=16,
    crops_from=512,
    # told bilinearly what is new, new layers touched what the level below has (a quarter of a wave at a quarter of the Nyquist frequency was left
    # to them), and KID rose by 11 to 54 from 256 to 512; told by Lanczos and polynomials it does not, and less is lost where films are enlarged.
    # Enlarged by Lanczos films had a grid of two pixels (docs/tries.md, Enlarged by polynomials)
    lagrange_from=512,
    # enlarged bilinearly, features of the level below left a grid of two pixels in what the new layers made, 3.6 dB at 1024 in one run (tries.md,
    # Splines). Not below 512: whether it costs KID there is not known
    spline_from=512,
    # crops are cheap, and more of them make batch norm's statistics steadier
    batch_size=(8, 16, 16, 16),
    # D's first layer has no shift and the next one batch norm: of a batch of fakes by itself it does not see how strong they are, only how they are.
    # At 1024 what G added was 25 dB too strong in one run, and in one batch as strong as it should be; at 512 it was the other way round, and
    # why is not known (docs/tries.md, Real and fake in one batch)
    one_batch_from=1024,
    # what is new at 512 is a fifteenth of a film; shown the film alone, D did not tell real from fake in 300 steps. At 1024, where it is less,
    # half the Nyquist frequency stayed 3 dB short shown 16 times, 2.4 shown 32 times (docs/tries.md, What enlarging loses). At 2048 64 times is a
    # guess: it was asked of enlarged films only, where D saw nothing shown 16 times
    detail=(16.0, 16.0, 32.0, 64.0),
)
