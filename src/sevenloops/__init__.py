"""Convolution in every NumPy formulation, and a small, complete library for convolutional networks on top of it."""

from sevenloops import data, errors, functional, nn, optim, schedules, testing
from sevenloops.autograd import Tensor, enable_grad, grad, is_grad_enabled, no_grad
from sevenloops.backends import use_backend
from sevenloops.columns import col2im, im2col
from sevenloops.functional import *  # noqa: F403  (its __all__ is the list of public functions)
from sevenloops.runtime import get_num_threads, set_num_threads
from sevenloops.serialization import load, load_metadata, save
from sevenloops.strides import memory_map, tiles, windows
from sevenloops.version import __version__

__all__ = [
    "Tensor",
    "__version__",
    "col2im",
    "data",
    "enable_grad",
    "errors",
    "functional",
    "get_num_threads",
    "grad",
    "im2col",
    "is_grad_enabled",
    "load",
    "load_metadata",
    "memory_map",
    "nn",
    "no_grad",
    "optim",
    "save",
    "schedules",
    "set_num_threads",
    "testing",
    "tiles",
    "use_backend",
    "windows",
]
__all__ += functional.__all__
