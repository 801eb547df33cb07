"""Convolution in every NumPy formulation, and a small, complete library for convolutional networks on top of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sevenloops import errors, functional
from sevenloops.autograd import Tensor, enable_grad, grad, is_grad_enabled, no_grad
from sevenloops.backends import use_backend
from sevenloops.columns import col2im, im2col
from sevenloops.functional import *  # noqa: F403  (its __all__ is the list of public functions)
from sevenloops.runtime import get_num_threads, set_num_threads
from sevenloops.settings import autotune, use_exact_algorithms
from sevenloops.strides import memory_map, tiles, windows
from sevenloops.version import __version__

if TYPE_CHECKING:
    from sevenloops import data, nn, optim, schedules, testing, train
    from sevenloops.serialization import load, load_metadata, save

__all__ = [
    "Tensor",
    "__version__",
    "autotune",
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
    "train",
    "use_backend",
    "use_exact_algorithms",
    "windows",
]
__all__ += functional.__all__

#: What is imported when it is first asked for, and from where: who only convolves does not wait for the rest.
_LATER = {name: name for name in ("data", "nn", "optim", "schedules", "testing", "train")}
_LATER |= {name: f"serialization.{name}" for name in ("load", "load_metadata", "save")}


def __getattr__(name: str) -> Any:
    """Import a part of the package that nobody has asked for before."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _LATER[name].partition(".")
    found: Any = import_module(f"{__name__}.{module}")
    if attribute:
        found = globals()[name] = getattr(found, attribute)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
