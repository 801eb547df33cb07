"""The table of the activations' kernels."""

from collections.abc import Callable

from sevenloops import backends
from sevenloops.activations import dropout, error_function, piecewise, rows, smooth
from sevenloops.activations.blocks import in_blocks

__all__ = ["kernel"]

for _module in (piecewise, smooth, error_function, rows, dropout):
    for _name in _module.__all__:
        if f"{_name}_grad" in _module.__all__:
            for _direction, _kernel in ("forward", _name), ("gradient", f"{_name}_grad"):
                _function = getattr(_module, _kernel)
                if _module not in (rows, dropout):  # which see to that themselves
                    _function = in_blocks(_function)
                backends.register(_name, _direction, "numpy", _function)
# Those that exist in machine code too, by the modules there that have them.
_MACHINE_CODE = {
    "piecewise": (
        *("relu", "leaky_relu", "hardtanh", "threshold", "softshrink", "hardshrink", "hardsigmoid", "hardswish"),
    ),
    "row_calls": ("softmax", "softmin", "log_softmax"),
    "smooth": (
        *("tanh", "tanhshrink", "softsign", "sigmoid", "logsigmoid", "softplus", "elu", "silu", "mish"),
        *("gelu", "gelu_tanh", "erf"),
    ),
}
for _place, _names in _MACHINE_CODE.items():
    for _name in _names:
        for _direction, _kernel in ("forward", _name), ("gradient", f"{_name}_grad"):
            backends.register(_name, _direction, "jit", f"sevenloops.jit.step.{_place}:{_kernel}")
backends.register("prelu", "weight_grad", "numpy", piecewise.prelu_weight_grad)


def kernel(name: str, direction: str) -> Callable[..., None]:
    """Return the kernel of an activation, "forward" or "gradient", on the backend in use."""
    return backends.find(name, direction)
