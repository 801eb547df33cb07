"""The table of the losses' kernels."""

from collections.abc import Callable
from typing import Any

from sevenloops import backends
from sevenloops.activations.blocks import in_blocks
from sevenloops.losses import classes, pointwise

__all__ = ["kernel"]

for _module in (classes, pointwise):
    for _name in _module.__all__:
        if f"{_name}_grad" in _module.__all__:
            for _direction, _ending in ("forward", ""), ("input_grad", "_grad"), ("target_grad", "_target_grad"):
                _function = getattr(_module, _name + _ending, None)
                if _function is not None:
                    _kernel = in_blocks(_function) if _module is pointwise else _function
                    backends.register(_name, _direction, "numpy", _kernel)
backends.register("class_cross_entropy", "forward", "jit", "sevenloops.jit.step.row_calls:class_cross_entropy")


def kernel(name: str, direction: str) -> Callable[..., Any]:
    """Return the kernel of a loss, "forward", "input_grad" or perhaps "target_grad", on the backend in use."""
    return backends.find(name, direction)
