"""The graph that the tape records, and the walk through it that carries gradients back to the leaves."""

import itertools
import threading
import weakref
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.autograd.operation import Operation
from sevenloops.pairs import combined

if TYPE_CHECKING:
    from sevenloops.autograd.tensor import Tensor

__all__ = ["Node", "note_change", "propagate"]

_serials = itertools.count()
_leaves = threading.Lock()
_last_change = -1  # the serial that `note_change` took last; whatever is newer need not be checked


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
    retained : weakref to a Tensor, or None
        The result, where its gradient is to be kept too.
    serial : int
        Grows with every node of the process, so inputs have smaller serials than results.
    """

    __slots__ = (
        "__weakref__",
        "attributes",
        "dtype",
        "inputs",
        "needs",
        "operation",
        "retained",
        "saved",
        "serial",
        "shape",
    )

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
        self.retained: weakref.ref[Tensor] | None = None
        self.serial = next(_serials)

    def __repr__(self) -> str:
        state = "freed" if self.inputs is None else f"{len(self.inputs)} inputs"
        return f"Node({self.operation.name}, {state}, shape={self.shape}, dtype={self.dtype})"


def propagate(
    starts: Sequence[tuple[Any, Array]], retain_graph: bool = False, targets: frozenset[Any] | None = None
) -> dict[Any, Array]:
    """Carry gradients of results back to the leaves, and add to the ``.grad`` of each.

    Nodes are visited by falling serial: each after all that use its result, whatever the depth of the graph. What a
    node has saved is released right after its visit, and so is its own gradient.

    Parameters
    ----------
    starts
        Pairs of a source (a Node, or a leaf Tensor) and the gradient of its result.
    retain_graph : bool
        Keep what the nodes have saved.
    targets : frozenset, optional
        Sources whose gradients are returned instead; then only what leads to them is computed, and ``.grad`` stays.

    Returns
    -------
    dict
        The gradients of those targets that the starts depend on; the arrays belong to the caller.

    Raises
    ------
    RuntimeError
        If a node below has been freed by an earlier walk, values of a leaf that a node has kept have been changed
        since (see `note_change`), or a vjp breaks its contract.
    """
    found: dict[Any, Array] = {}
    wanted = targets or frozenset()
    leading = None if targets is None else _leading_to(targets, [source for source, _ in starts])
    pending: dict[Node, Array] = {}
    summed: set[Node] = set()  # nodes whose pending gradient is a sum made here, so it may be added to in place
    queue: list[tuple[int, Node]] = []

    def deliver(source: Any, share: Array, private: bool) -> None:
        if type(source) is not Node:
            if targets is None:
                _accumulate(source, share, private)
            elif source in found:
                found[source] += share
            elif source in wanted:
                found[source] = share if private else np.array(share)
        elif source not in pending:
            pending[source] = share
            heappush(queue, (-source.serial, source))
        elif source in summed:
            np.add(pending[source], share, out=pending[source])
        else:
            pending[source] = combined("add", pending[source], share)
            summed.add(source)

    for start, gradient in starts:
        deliver(start, gradient, private=False)
    while queue:
        node = heappop(queue)[1]
        grad = pending.pop(node)
        inputs, needs = node.inputs, node.needs
        if leading is None:
            result = None if node.retained is None else node.retained()
            if result is not None:
                _accumulate(result, grad, private=False)
        else:
            if node in wanted:
                found[node] = np.array(grad)
            if node not in leading:
                continue
        if inputs is None:
            raise _freed(node)
        if leading is not None:
            needs = tuple(n and (s in leading or s in wanted) for n, s in zip(needs, inputs))
        if node.serial < _last_change:
            _check_kept(node, inputs)
        grads: Sequence[Any] = node.operation.vjp(grad, node.saved, needs, **node.attributes)
        if not retain_graph:
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
            deliver(source, share, type(source) is not Node and _is_private(share, index, grads, grad))
        del grads, share, inputs, source  # the next vjp runs without them in memory
    return found


def note_change(leaf: "Tensor") -> None:
    """Note that a leaf's values are written into now: operations that have kept them give no gradient any more."""
    global _last_change
    leaf._changed = _last_change = next(_serials)


def _check_kept(node: Node, inputs: Sequence[Any]) -> None:
    """Refuse to go through a node that has kept the memory of a leaf which has been changed since."""
    for source in inputs:
        while type(source) is Node and source.inputs is not None and len(source.inputs) == 1:
            source = source.inputs[0]  # views of a leaf are made by operations of one input
        if getattr(source, "_changed", -1) > node.serial and _keeps(node.saved, source.data):
            raise RuntimeError(
                f"backward() needs the values that the forward pass has kept, but a leaf of shape {source.shape} has "
                f"been changed since {node.operation.name} kept it, by an optimizer's step, load_state_dict() or an "
                f"initialiser; run the forward pass again, or change it after the last backward()."
            )


def _keeps(saved: Any, values: Array) -> bool:
    """Whether some memory is among what an operation has saved."""
    if isinstance(saved, np.ndarray):
        return np.may_share_memory(saved, values)
    return isinstance(saved, (tuple, list)) and any(_keeps(entry, values) for entry in saved)


def _leading_to(targets: frozenset[Any], starts: Sequence[Any]) -> set[Node]:
    """Return the nodes that have a target below them."""
    waiting, met = [source for source in starts if type(source) is Node], set()
    while waiting:
        node = waiting.pop()
        if node in met:
            continue
        met.add(node)
        if node.inputs is not None:
            waiting += [source for source, needed in zip(node.inputs, node.needs) if needed and type(source) is Node]
        elif node not in targets:
            raise _freed(node)
    leading: set[Node] = set()
    for node in sorted(met, key=lambda node: node.serial):  # inputs come before what uses them
        if any(n and (s in leading or s in targets) for n, s in zip(node.needs, node.inputs or ())):
            leading.add(node)
    return leading


def _freed(node: Node) -> RuntimeError:
    return RuntimeError(
        f"backward() can pass through a graph once, but an earlier backward() has already freed this graph "
        f"at {node.operation.name}; run the forward pass again, add the losses and call backward() once, or pass "
        f"retain_graph=True the first time."
    )


def _broken_rule(node: Node, index: int, source: Any, share: Any) -> RuntimeError:
    got = f"shape {share.shape} and dtype {share.dtype}" if isinstance(share, np.ndarray) else repr(share)
    replaced = "" if type(source) is Node else ", unless the leaf has been given other .data since the forward pass"
    return RuntimeError(
        f"The gradient rule of {node.operation.name} must return an array of the input's shape {source.shape} and "
        f"dtype {source.dtype} for input {index}, but it returned {got}; this is an error of the operation{replaced}."
    )


def _accumulate(leaf: "Tensor", share: Array, private: bool) -> None:
    """Add to ``leaf.grad``: in place where there is one (it may be a view of a buffer), as PyTorch does."""
    if not leaf.requires_grad:  # frozen since the forward pass: an optimizer would go on changing it
        return
    with _leaves:  # threads may train the same leaves, and reading and writing back are two steps
        if leaf.grad is None:
            leaf.grad = share if private else _copied(share)
        else:
            leaf.grad += share


def _copied(share: Array) -> Array:
    copy = runtime.empty_like(share)
    np.copyto(copy, share)
    return copy


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
