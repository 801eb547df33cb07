"""The memory of a training step, worked out from the tape before the step is done."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from sevenloops.arrays import Array
from sevenloops.autograd import Node, Tensor

__all__ = ["StepMemory", "step_memory"]

#: Operations whose gradient rule hands the gradient on, as it is or as a view of it.
_HANDING_ON = frozenset(("reshape", "permute", "expand", "add", "hook_exit"))


class StepMemory(NamedTuple):
    """Bytes of a training step; see `sevenloops.nn.summary` for what each is."""

    parameters: int
    gradients: int
    optimizer: int
    saved: int
    total: int


def step_memory(
    nodes: Sequence[Node],
    results: Sequence[Tensor],
    others: Sequence[Array],
    parameters: Sequence[Tensor],
    trainable: Sequence[Tensor],
    slots: int,
) -> StepMemory:
    """Return the memory of a step whose forward pass has left `nodes`, by falling serial.

    Parameters
    ----------
    nodes, results
        What the forward pass has recorded, and returned.
    others
        Arrays that are there anyway: parameters, buffers, inputs.
    parameters, trainable
    slots : int
        How many numbers the optimizer keeps per trainable parameter.
    """
    known = {id(_owner(array)) for array in others}
    kept = {id(owner): owner for owner in (_owner(result.data) for result in results)}
    last: dict[int, Node] = {}  # of an array, the node that is visited last of those that keep it
    for node in nodes:
        for array in _arrays((node.saved, [s for s in node.inputs or () if isinstance(s, np.ndarray)])):
            owner = _owner(array)
            if id(owner) not in known:
                kept[id(owner)] = owner
                last[id(owner)] = node
    for result in results:  # the caller keeps them to the end
        last.pop(id(_owner(result.data)), None)
    released: dict[Node, int] = {}
    for key, node in last.items():
        released[node] = released.get(node, 0) + kept[key].nbytes
    saved = sum(owner.nbytes for owner in kept.values())
    weights = sum(parameter.data.nbytes for parameter in parameters)
    gradients = sum(parameter.data.nbytes for parameter in trainable)
    peak = _peak(nodes, results, saved, released)
    return StepMemory(weights, gradients, slots * gradients, saved, weights + slots * gradients + peak)


class _Gradient:
    """A gradient on its way; several nodes may wait for the same memory."""

    __slots__ = ("bytes", "waiting")

    def __init__(self, count: int) -> None:
        self.bytes, self.waiting = count, 0


def _peak(nodes: Sequence[Node], results: Sequence[Tensor], saved: int, released: dict[Node, int]) -> int:
    """Walk backward as `propagate` does, and return the most that saved arrays and gradients take together."""
    pending: dict[Node, _Gradient] = {}
    leaves: set[int] = set()
    live = highest = saved

    def wait(node: Node, gradient: _Gradient) -> None:
        gradient.waiting += 1
        pending[node] = gradient

    for result in results:
        if result.node is not None and result.node not in pending:
            wait(result.node, _Gradient(result.data.nbytes))
            live += result.data.nbytes
    for node in nodes:
        gradient = pending.pop(node, None)
        if gradient is None:
            continue
        passing = 0
        for source, needed in zip(node.inputs or (), node.needs):
            if not needed:
                continue
            size = prod(source.shape) * source.dtype.itemsize
            if not isinstance(source, Node):
                if id(source) in leaves:
                    passing += size
                else:
                    leaves.add(id(source))
                    live += size
            elif source in pending:  # the sum of both takes new memory, and then one of the old ones is free
                passing += size
            elif node.operation.name in _HANDING_ON and size == gradient.bytes:
                wait(source, gradient)
            else:
                wait(source, _Gradient(size))
                live += size
        highest = max(highest, live + passing)
        gradient.waiting -= 1
        if not gradient.waiting:
            live -= gradient.bytes
        live -= released.get(node, 0)
    return highest


def _arrays(value: Any) -> Iterator[Array]:
    """Yield the arrays in what an operation has saved."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _arrays(entry)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
    elif is_dataclass(value):
        yield from _arrays([getattr(value, field.name) for field in fields(value)])


def _owner(array: Array) -> Array:
    """Return the array whose memory `array` shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
