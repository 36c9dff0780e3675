"""Fields of a config that change nothing beside the others: said when a run begins, not refused."""

from __future__ import annotations

from .config import RunConfig


def without_effect(config: RunConfig) -> list[str]:
    """A sentence for each field that is set and changes nothing beside the others."""
    on_crops = any(config.on_crops(level) for level in range(len(config.resolutions)))
    all_epochs = config.epochs_for == "level" and not config.minutes
    cases = {
        "level_shares": (bool(config.level_shares) and all_epochs, "epochs_for=level gives every level all epochs"),
        "epochs_for": (config.epochs_for == "level" and bool(config.minutes), "minutes, not epochs, say how long levels are"),
        "transition": (config.transition != "replace" and len(config.resolutions) == 1, "there is one level alone"),
        "augment_strength": (config.augment_strength != 1.0 and not config.augment, "nothing is augmented (augment)"),
        "crops_from": (bool(config.crops_from) and not on_crops, "no level is as high as that"),
        "one_batch_from": (
            bool(config.one_batch_from) and not any(config.in_one_batch(level) for level in range(len(config.resolutions))),
            "no level as high as that is on crops (crops_from)",
        ),
        "detail": (any(config.detail) and not on_crops, "no level is on crops (crops_from)"),
        "lagrange_from": (bool(config.lagrange_from) and not any(config.ways_up()), "no level enlarges a picture there"),
        "spline_from": (bool(config.spline_from) and not config.splines(), "no smooth enlargement (smooth_from) and no fine head is as high as that"),
        "blur": (config.blur and 0 < config.smooth_from <= 8, "smooth_from leaves no transposed convolution to blur"),
        "balanced_kernels": (config.balanced_kernels and 0 < config.smooth_from <= 8, "smooth_from leaves no transposed convolution to balance"),
        "patches": (config.patches and config.resolutions[-1] < 32, "films below 32 x 32 have none"),
    }
    return [f"{name} has no effect in this run: {why}." for name, (idle, why) in cases.items() if idle]
