"""Clipping of gradients under the name that PyTorch has for it; `sevenloops.optim` has the same functions."""

from sevenloops.clipping import clip_grad_norm_, clip_grad_value_

__all__ = ["clip_grad_norm_", "clip_grad_value_"]
