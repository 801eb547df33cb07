"""Loss functions, for arrays and Tensors; one module per kind."""

from sevenloops.functional.losses.classes import cross_entropy, nll_loss
from sevenloops.functional.losses.distances import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from sevenloops.functional.losses.probabilities import binary_cross_entropy, binary_cross_entropy_with_logits, kl_div

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
]
