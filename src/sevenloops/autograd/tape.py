"""The one place where operations meet Tensors: unwrap, compute, wrap, record."""

from typing import Any

import numpy as np

from sevenloops.autograd.graph import Node
from sevenloops.autograd.mode import is_grad_enabled
from sevenloops.autograd.operation import Operation
from sevenloops.autograd.tensor import Tensor

__all__ = ["apply"]


def apply(operation: Operation, *inputs: Any, **attributes: Any) -> Any:
    """Apply an operation to arrays or Tensors, and record it where a gradient may be asked for.

    Parameters
    ----------
    operation : Operation
    *inputs : Tensor, array_like or None
        Handed to ``operation.forward`` with each Tensor replaced by its array, everything else as it is.
    **attributes
        Parameters of the operation that are not differentiable; recorded as they are, so they must not be changed
        afterwards.

    Returns
    -------
    ndarray or Tensor, or tuple
        Without a Tensor among the inputs, what ``operation.forward`` returns as its result. With one, a Tensor; it
        requires a gradient if gradients are enabled and an input requires one. If the result is a tuple its first
        entry becomes the Tensor and the others stay arrays.
    """
    arrays: list[Any] = []
    needs: list[bool] = []
    any_tensor = wanted = False
    for value in inputs:
        if isinstance(value, Tensor):
            any_tensor = True
            wanted |= value.requires_grad
            needs.append(value.requires_grad)
            arrays.append(value.data)
        else:
            needs.append(False)
            arrays.append(value)
    result, saved = operation.forward(*arrays, **attributes)
    others: tuple[Any, ...] = ()
    if type(result) is tuple:
        result, *rest = result
        others = tuple(rest)
    if type(result) is not np.ndarray:  # NumPy's functions make scalars of arrays without axes
        result = np.asarray(result)
    if any_tensor:
        node = None
        if wanted and is_grad_enabled():
            sources = tuple(
                (value if value.is_leaf else value.node) if needed else array
                for value, needed, array in zip(inputs, needs, arrays)
            )
            if operation.keep is not None:
                saved = operation.keep(saved, tuple(needs))
            node = Node(operation, sources, tuple(needs), attributes, saved, result)
        result = Tensor._wrap(result, node)
    return (result, *others) if others else result
