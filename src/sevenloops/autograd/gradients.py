"""Gradients of results by chosen Tensors, returned and not left in ``.grad``."""

from collections.abc import Sequence
from typing import Any

from sevenloops.arrays import ArrayLike
from sevenloops.autograd.graph import Node, propagate
from sevenloops.autograd.tensor import Tensor, cotangent

__all__ = ["grad"]


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: "ArrayLike | Tensor | Sequence[Any] | None" = None,
    *,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradient of the sum of all ``grad_outputs · outputs`` by each input, and leave ``.grad`` alone.

    Only what lies between inputs and outputs is computed: for the gradient by an image, no gradient of a weight.
    Gradients of gradients are not recorded.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensors
    inputs : Tensor or sequence of Tensors
        Leaves, or results on the way to the outputs, that require a gradient.
    grad_outputs : array_like or Tensor, or a sequence with one (or None) for each output, optional
        The gradient by each output, of its shape and dtype; None means 1, where an output has one element.
    retain_graph : bool, default False
        Keep what the forward pass has saved, so that the graph can be used again.
    allow_unused : bool, default False
        Return None for an input that no output depends on, instead of raising.

    Returns
    -------
    tuple of Tensor or None
        One per input, of its shape and dtype.

    Raises
    ------
    RuntimeError
        If an output or input does not require a gradient, an input is not used, or the graph has been freed.
    ShapeError
        If a gradient does not have its output's shape, or there are not as many as outputs.
    TypeError
        If an output or input is no Tensor, or a gradient is of another dtype.

    Examples
    --------
    >>> import sevenloops as sl
    >>> x = sl.Tensor([1.0, 2.0], requires_grad=True)
    >>> sl.grad((x * x).sum(), x)
    (Tensor([2., 4.], dtype=float64),)
    >>> x.grad is None
    True
    """
    ends, chosen = _tensors("outputs", outputs), _tensors("inputs", inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(ends)
    elif isinstance(outputs, Tensor) and not (isinstance(grad_outputs, (list, tuple)) and len(grad_outputs) == 1):
        grad_outputs = [grad_outputs]
    if not isinstance(grad_outputs, (list, tuple)) or len(grad_outputs) != len(ends):
        raise ValueError(
            f"grad_outputs must have one entry for each of the {len(ends)} outputs, but got {grad_outputs!r}."
        )
    starts = [(_source(end), cotangent(g, end.data)) for end, g in zip(ends, grad_outputs)]
    sources = [_source(tensor) for tensor in chosen]
    found = propagate(starts, retain_graph=retain_graph, targets=frozenset(sources))
    for index, source in enumerate(sources):
        if source not in found and not allow_unused:
            raise RuntimeError(
                f"grad() needs inputs that the outputs depend on, but inputs[{index}] is not used for them; "
                f"leave it out, or pass allow_unused=True."
            )
    return tuple(Tensor._wrap(found[source], None) if source in found else None for source in sources)


def _tensors(name: str, given: Any) -> tuple[Tensor, ...]:
    tensors = (given,) if isinstance(given, Tensor) else tuple(given)
    for index, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be Tensors, but {name}[{index}] is a {type(tensor).__name__}.")
        if not tensor.requires_grad:
            raise RuntimeError(
                f"grad() needs Tensors that require a gradient, but {name}[{index}] does not: it has no input with "
                f"requires_grad=True, or was made under no_grad()."
            )
    return tensors


def _source(tensor: Tensor) -> "Node | Tensor":
    return tensor if tensor.node is None else tensor.node
