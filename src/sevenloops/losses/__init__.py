"""Losses on plain arrays: of classes, and of each element by itself."""

from sevenloops.losses.kernels import kernel

__all__ = ["kernel"]
