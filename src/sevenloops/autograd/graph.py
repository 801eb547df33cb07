"""The graph that the tape records, and the walk through it that carries gradients back to the leaves."""

import itertools
import threading
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd.operation import Operation

if TYPE_CHECKING:
    from sevenloops.autograd.tensor import Tensor

__all__ = ["Node", "propagate"]

_serials = itertools.count()
_leaves = threading.Lock()


class Node:
    """One application of an operation, as recorded.

    Attributes
    ----------
    operation : Operation
    inputs : tuple, or None once `propagate` has freed the node
        Per input: the Node that made it, or the leaf Tensor that wants a gradient, or the constant as it was given (a
        Tensor's array, None for an absent input). Nodes stand here instead of their results, so that a result that
        no operation has saved is freed as soon as its Tensor is.
    needs : tuple of bool
        Which inputs want a gradient.
    attributes : dict
        The keyword arguments of the operation.
    saved
        What the operation's forward function kept for its vjp.
    shape, dtype
        Of the (first) result.
    serial : int
        Grows with every node of the process, so inputs have smaller serials than results.
    """

    __slots__ = ("__weakref__", "attributes", "dtype", "inputs", "needs", "operation", "saved", "serial", "shape")

    def __init__(
        self,
        operation: Operation,
        inputs: tuple[Any, ...],
        needs: tuple[bool, ...],
        attributes: dict[str, Any],
        saved: Any,
        result: Array,
    ) -> None:
        self.operation = operation
        self.inputs: tuple[Any, ...] | None = inputs
        self.needs = needs
        self.attributes = attributes
        self.saved = saved
        self.shape = result.shape
        self.dtype = result.dtype
        self.serial = next(_serials)

    def __repr__(self) -> str:
        state = "freed" if self.inputs is None else f"{len(self.inputs)} inputs"
        return f"Node({self.operation.name}, {state}, shape={self.shape}, dtype={self.dtype})"


def propagate(root: Node, gradient: Array) -> None:
    """Add to the ``.grad`` of every leaf below `root` its share of `gradient`, the gradient of the root's result.

    Nodes are visited by falling serial: each after all that use its result, whatever the depth of the graph. What a
    node has saved is released right after its visit, and so is its own gradient.

    Raises
    ------
    RuntimeError
        If a node below has been freed by an earlier walk, or a vjp breaks its contract.
    """
    pending = {root: gradient}
    summed: set[Node] = set()  # nodes whose pending gradient is a sum made here, so it may be added to in place
    queue = [(-root.serial, root)]
    while queue:
        node = heappop(queue)[1]
        grad = pending.pop(node)
        inputs, needs = node.inputs, node.needs
        if inputs is None:
            raise RuntimeError(
                f"backward() can pass through a graph once, but an earlier backward() has already freed this graph "
                f"at {node.operation.name}; run the forward pass again, or add the losses and call backward() once."
            )
        grads: Sequence[Any] = node.operation.vjp(grad, node.saved, needs, **node.attributes)
        node.inputs = node.saved = None
        if len(grads) != len(inputs):
            raise RuntimeError(
                f"The gradient rule of {node.operation.name} must return one entry per input, "
                f"but there are {len(inputs)} inputs and it returned {len(grads)}; this is an error of the operation."
            )
        for index, (source, needed, share) in enumerate(zip(inputs, needs, grads)):
            if not needed:
                continue
            if isinstance(share, np.generic):  # NumPy's functions make scalars of arrays without axes
                share = np.asarray(share)
            if type(share) is not np.ndarray or share.shape != source.shape or share.dtype != source.dtype:
                raise _broken_rule(node, index, source, share)
            if type(source) is not Node:
                _accumulate(source, share, _is_private(share, index, grads, grad))
            elif source not in pending:
                pending[source] = share
                heappush(queue, (-source.serial, source))
            elif source in summed:
                np.add(pending[source], share, out=pending[source])
            else:
                pending[source] = np.asarray(pending[source] + share)  # NumPy's sum of 0-d arrays is a scalar
                summed.add(source)
        del grads, share, inputs, source  # the next vjp runs without them in memory


def _broken_rule(node: Node, index: int, source: Any, share: Any) -> RuntimeError:
    got = f"shape {share.shape} and dtype {share.dtype}" if isinstance(share, np.ndarray) else repr(share)
    return RuntimeError(
        f"The gradient rule of {node.operation.name} must return an array of the input's shape {source.shape} and "
        f"dtype {source.dtype} for input {index}, but it returned {got}; this is an error of the operation."
    )


def accumulate(leaf: "Tensor", gradient: Array) -> None:
    """Add an array that belongs to the caller to the gradient of a leaf."""
    _accumulate(leaf, gradient, private=False)


def _accumulate(leaf: "Tensor", share: Array, private: bool) -> None:
    """Add to ``leaf.grad``: in place where there is one (it may be a view of a buffer), as PyTorch does."""
    with _leaves:  # threads may train the same leaves, and reading and writing back are two steps
        if leaf.grad is None:
            leaf.grad = share if private else np.array(share)
        else:
            leaf.grad += share


def _is_private(share: Array, index: int, grads: Any, grad: Array) -> bool:
    """Whether a gradient shares its memory with nothing else, so that a leaf may keep it without a copy."""
    if not share.flags.writeable:  # a broadcast view, or memory of somebody else
        return False
    owner = _owner(share)
    if owner is _owner(grad) or owner.nbytes > 2 * share.nbytes:  # the rest of a larger buffer would be kept too
        return False
    others = (other for i, other in enumerate(grads) if i != index and isinstance(other, np.ndarray))
    return all(_owner(other) is not owner for other in others)


def _owner(array: Array) -> Array:
    """Return the array whose memory `array` shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
