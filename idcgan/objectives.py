"""Equation 1 of the paper and its variants, from the discriminator's logits.

    min_G max_D  E_x[log D(x)] + E_z[log(1 - D(G(z)))]

Binary cross entropy for both networks (section 3.1). The text of the paper calls D(X) = 0 real and 1 fake, the
equation has it the other way; `labels` chooses, and both are the same game: with flipped labels D learns 1 - D.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor, labels: str = "standard", smoothing: float = 0.0) -> Tensor:
    """Scalar: the cross entropy of D on a real and on a fake batch, logits (b,) each. Real is 1 (flipped: 0)."""
    return loss_on_real(real_logits, labels, smoothing) + loss_on_fake(fake_logits, labels)


def loss_on_real(logits: Tensor, labels: str = "standard", smoothing: float = 0.0) -> Tensor:
    """The half of D's loss that real films cause.

    `smoothing` moves the real label only, to 1 - smoothing (Salimans et al. 2016, one-sided).
    """
    return F.binary_cross_entropy_with_logits(_sign(labels) * logits, torch.full_like(logits, 1.0 - smoothing))


def loss_on_fake(logits: Tensor, labels: str = "standard") -> Tensor:
    """The half of D's loss that fakes cause."""
    return F.binary_cross_entropy_with_logits(_sign(labels) * logits, torch.zeros_like(logits))


def generator_loss(fake_logits: Tensor, labels: str = "standard", kind: str = "non_saturating") -> Tensor:
    """Scalar to minimise, from D's logits (b,) on fakes.

    saturating: E log(1 - D(G(z))), equation 1 as printed, flat where D wins. non_saturating: -E log D(G(z)), the same
    fixed point with gradients where they are needed (Goodfellow et al. 2014, section 3).
    """
    logits = _sign(labels) * fake_logits
    if kind == "saturating":
        return -F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def probability_real(logits: Tensor, labels: str = "standard") -> Tensor:
    """How likely D holds each film for real, in [0, 1], whichever way the labels are: what the history logs as D(x)."""
    return torch.sigmoid(_sign(labels) * logits)


def _sign(labels: str) -> int:
    # sigmoid(-t) = 1 - sigmoid(t), so swapping the labels is changing the sign of the logit
    return -1 if labels == "flipped" else 1
