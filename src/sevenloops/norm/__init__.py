"""Normalisation on plain arrays; no Tensor is known here."""

from collections.abc import Callable
from typing import Any

from sevenloops import backends
from sevenloops.norm.channels import normalise, normalise_grad, statistics
from sevenloops.norm.neighbours import local_response, local_response_grad
from sevenloops.norm.rows import normalise_rows, normalise_rows_grad

__all__ = ["kernel"]

backends.register("channel_norm", "statistics", "numpy", statistics)
backends.register("channel_norm", "forward", "numpy", normalise)
backends.register("channel_norm", "gradient", "numpy", normalise_grad)
for _direction, _name in ("statistics", "statistics"), ("forward", "normalise"), ("gradient", "normalise_grad"):
    backends.register("channel_norm", _direction, "jit", f"sevenloops.jit.step.channels:{_name}")
backends.register("row_norm", "forward", "numpy", normalise_rows)
backends.register("row_norm", "gradient", "numpy", normalise_rows_grad)
backends.register("row_norm", "forward", "jit", "sevenloops.jit.step.row_calls:normalise_rows")
backends.register("row_norm", "gradient", "jit", "sevenloops.jit.step.row_calls:normalise_rows_grad")
backends.register("local_response_norm", "forward", "numpy", local_response)
backends.register("local_response_norm", "gradient", "numpy", local_response_grad)


def kernel(name: str, direction: str) -> Callable[..., Any]:
    """Return the kernel of "channel_norm", "row_norm" or "local_response_norm" on the backend in use.

    The directions are "forward" and "gradient", and for "channel_norm" also "statistics".
    """
    return backends.find(name, direction)
