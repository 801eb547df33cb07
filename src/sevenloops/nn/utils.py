"""Clipping of gradients under the name that PyTorch has for it, as in `sevenloops.optim`; and frozen models."""

from sevenloops.clipping import clip_grad_norm_, clip_grad_value_
from sevenloops.nn.freezing import freeze, unfreeze

__all__ = ["clip_grad_norm_", "clip_grad_value_", "freeze", "unfreeze"]
