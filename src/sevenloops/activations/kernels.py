"""The table of the activations' kernels."""

from collections.abc import Callable

from sevenloops import backends
from sevenloops.activations import dropout, error_function, piecewise, rows, smooth
from sevenloops.activations.blocks import in_blocks

__all__ = ["kernel"]

for _module, _names in (
    (
        piecewise,
        (
            "relu",
            "leaky_relu",
            "prelu",
            "hardtanh",
            "threshold",
            "softshrink",
            "hardshrink",
            "hardsigmoid",
            "hardswish",
        ),
    ),
    (
        smooth,
        (
            "tanh",
            "tanhshrink",
            "softsign",
            "sigmoid",
            "logsigmoid",
            "softplus",
            "elu",
            "silu",
            "mish",
            "gelu",
            "gelu_tanh",
        ),
    ),
    (error_function, ("erf",)),
    (dropout, ("dropout", "alpha_dropout")),
):
    for _name in _names:
        backends.register(_name, "forward", "numpy", in_blocks(getattr(_module, _name)))
        backends.register(_name, "gradient", "numpy", in_blocks(getattr(_module, f"{_name}_grad")))
backends.register("prelu", "weight_grad", "numpy", piecewise.prelu_weight_grad)
backends.register("glu", "forward", "numpy", in_blocks(rows.glu))
backends.register("glu", "gradient", "numpy", in_blocks(rows.glu_grad, results=2))
for _name in ("softmax", "softmin", "log_softmax"):
    backends.register(_name, "forward", "numpy", getattr(rows, _name))
    backends.register(_name, "gradient", "numpy", getattr(rows, f"{_name}_grad"))


def kernel(name: str, direction: str) -> Callable[..., None]:
    """Return the kernel of an activation, "forward" or "gradient", on the backend in use."""
    return backends.find(name, direction)
