"""Activations and dropout on plain arrays: each forward, and its gradient from what the forward pass keeps.

Kernels: `out` is written, nothing is checked; it may be an input itself. Arrays are float32 or float64 and have at
least one axis. Masks are multiplied, and not chosen by ``np.where``, where that can be helped:
on random signs that mispredicts half of its branches.
"""

from sevenloops.activations.kernels import kernel

__all__ = ["kernel"]
