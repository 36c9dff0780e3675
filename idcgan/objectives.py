"""Equation 1 (the paper's only one, unnumbered there) and its variants, from the discriminator's logits.

    min_G max_D  E_x[log D(x)] + E_z[log(1 - D(G(z)))]

Binary cross entropy for both networks (section 3.1). The text of the paper calls D(X) = 0 real and 1 fake, the
equation has it the other way; `labels` chooses, and both are the same game: with flipped labels D learns 1 - D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, labels: str = "standard", smoothing: float = 0.0, objective: str = "bce") -> Tensor:
    """Scalar: D's loss on a real and on a fake batch, logits (b,) each."""
    return loss_on_real(real_logits, labels, smoothing, objective) + loss_on_fake(fake_logits, labels, objective)


def loss_on_real(logits: Tensor, labels: str = "standard", smoothing: float = 0.0, objective: str = "bce") -> Tensor:
    """The half of D's loss that real films cause.

    bce: cross entropy, the label 1 (flipped: 0) less `smoothing` (Salimans et al. 2016, one-sided). hinge: max(0, 1 - D), no gradient
    from films that D is sure of (Lim and Ye 2017). least_squares: (D - 1)^2 (Mao et al. 2017).
    """
    logits = _sign(labels) * logits
    if objective == "hinge":
        return F.relu(1.0 - logits).mean()
    if objective == "least_squares":
        return (logits - 1.0).square().mean()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, 1.0 - smoothing))


def loss_on_fake(logits: Tensor, labels: str = "standard", objective: str = "bce") -> Tensor:
    """The half of D's loss that fakes cause: cross entropy, max(0, 1 + D), or D^2."""
    logits = _sign(labels) * logits
    if objective == "hinge":
        return F.relu(1.0 + logits).mean()
    if objective == "least_squares":
        return logits.square().mean()
    return F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))


def generator_loss(fake_logits: Tensor, labels: str = "standard", kind: str = "non_saturating", objective: str = "bce") -> Tensor:
    """Scalar to minimise, from D's logits (b,) on fakes.

    bce, saturating: E log(1 - D(G(z))), equation 1 as printed, flat where D wins. bce, non_saturating: -E log D(G(z)), the same
    fixed point with gradients where they are needed (Goodfellow et al. 2014, section 3). hinge: -E D; least_squares: E (D - 1)^2.
    """
    logits = _sign(labels) * fake_logits
    if objective == "hinge":
        return -logits.mean()
    if objective == "least_squares":
        return (logits - 1.0).square().mean()
    if kind == "saturating":
        return -F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


class Verdicts(NamedTuple):
    """All that D says of a batch, as logits: of whole films (b,), and (b, n) each of patches, and by borrowed features (`projected.py`)."""

    whole: Tensor
    patches: tuple[Tensor, ...] = ()
    projected: tuple[Tensor, ...] = ()

    def part(self, films: slice) -> Verdicts:
        """What is said of these films of the batch."""
        return Verdicts(self.whole[films], *(tuple(said[films] for said in group) for group in self[1:]))


def over_verdicts(loss: Callable[[Tensor], Tensor], verdicts: Verdicts) -> tuple[Tensor, Tensor]:
    """(what to minimise, what to log): the loss of what D says of whole films, to which the mean loss of what it says of patches is added, and that
    of what it says by borrowed features.

    Without these both are the same. Logged is the loss of whole films alone, which is what Figures 2-4 show and 2 log 2 belongs to.
    """
    logged = loss(verdicts.whole)
    others = [sum(loss(said) for said in group) / len(group) for group in verdicts[1:] if group]
    return sum(others, logged), logged.detach()


def probability_real(logits: Tensor, labels: str = "standard", objective: str = "bce") -> Tensor:
    """How likely D holds each film for real, in [0, 1], whichever way the labels are: what the history logs as D(x).

    With hinge the logit is a margin and its sigmoid an order, no probability; with least_squares D itself aims at 0 and 1.
    """
    logits = _sign(labels) * logits
    return logits.clamp(0.0, 1.0) if objective == "least_squares" else torch.sigmoid(logits)


def _sign(labels: str) -> int:
    # sigmoid(-t) = 1 - sigmoid(t), so swapping the labels is changing the sign of the logit
    return -1 if labels == "flipped" else 1
