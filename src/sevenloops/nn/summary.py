"""What a network is made of and what it costs, layer by layer, read from its hooks and from the tape."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenloops.arrays import Array
from sevenloops.autograd import Node, Operation, Tensor, enable_grad
from sevenloops.errors import ShapeError
from sevenloops.geometry.arguments import integer, is_sequence
from sevenloops.nn.flops import backward_flops, forward_flops
from sevenloops.nn.module import Module
from sevenloops.nn.step_memory import StepMemory, step_memory

__all__ = ["LayerSummary", "Summary", "summary"]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One row of a `Summary`: a module, without those inside it.

    Attributes
    ----------
    name : str
        As `Module.named_modules` gives it; empty for the network itself.
    kind : str
        The name of its class.
    output_shape : tuple of int, or None
        Of its (first) result; None where it has not been called and no operation has used its parameters.
    parameters : int
        How many numbers its own parameters have; those that several modules share count for the first.
    flops : int
        Of its own operations in the forward pass.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    flops: int


@dataclass(frozen=True, slots=True, repr=False)
class Summary:
    """What `summary` returns; ``str()`` of it, and its repr, is a table.

    Attributes
    ----------
    layers : tuple of LayerSummary
        In the order in which they are called; those that are not called come last.
    parameters, trainable_parameters : int
        How many numbers they have.
    flops, training_flops : int
        Of the forward pass, and of a training step without its loss and optimizer.
    memory : StepMemory
        Bytes of a training step.
    """

    layers: tuple[LayerSummary, ...]
    parameters: int
    trainable_parameters: int
    flops: int
    training_flops: int
    memory: StepMemory

    def __str__(self) -> str:
        head = ("layer", "type", "output shape", "parameters", "FLOPs")
        rows = [head, *(_cells(layer) for layer in self.layers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [
            "  ".join(cell.ljust(w) if i < 3 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
            for row in rows
        ]
        rule = "-" * len(lines[0])
        memory = self.memory
        frozen = self.parameters - self.trainable_parameters
        totals = (
            f"parameters            {self.parameters:,}" + (f", {frozen:,} of them frozen" if frozen else ""),
            f"FLOPs, forward        {self.flops:,}",
            f"FLOPs, training step  {self.training_flops:,}",
            f"memory of a training step: {_size(memory.total)} at its peak",
            f"  parameters {_size(memory.parameters)}, their gradients {_size(memory.gradients)}, "
            f"optimizer {_size(memory.optimizer)}, saved for backward {_size(memory.saved)}",
        )
        return "\n".join(line.rstrip() for line in (lines[0], rule, *lines[1:], rule, *totals))

    def __repr__(self) -> str:
        return str(self)


def _cells(layer: LayerSummary) -> tuple[str, ...]:
    shape = "-" if layer.output_shape is None else str(layer.output_shape)
    counts = (f"{count:,}" if count else "-" for count in (layer.parameters, layer.flops))
    return (layer.name or "(network)", layer.kind, shape, *counts)


def _size(count: int) -> str:
    return f"{count / 2**10:,.1f} KiB" if count < 2**20 else f"{count / 2**20:,.1f} MiB"


def summary(
    model: Module,
    input_size: Sequence[int] | Sequence[Sequence[int]],
    *,
    dtype: npt.DTypeLike | Sequence[npt.DTypeLike] | None = None,
    optimizer_state: int = 0,
) -> Summary:
    """Describe a network: its layers with output shapes, parameters and FLOPs, and the memory of a training step.

    The network is run twice, forward only, in training mode, on arrays of ones (zeros, if the dtype is of integers).
    Its mode, buffers, generators and hooks are afterwards as they were.

    FLOPs are read from the tape: 2 per multiply-add of convolutions (direct, whatever the algorithm), linear maps
    and products of matrices, without biases; 1 per tap of a pooling window; 6 per input of normalisation, 4 of
    softmax, 1 of sums and losses; 0 for what only moves elements; 1 per element of any other result. A training step
    adds as many for the backward pass, in products for each of the two operands that need a gradient. An operation
    belongs to the module whose parameters it uses, else to the innermost module being called.

    Parameters
    ----------
    model : Module
    input_size : sequence of int, or sequence of such sequences
        The shape of the array that the network is called with, with its batch axis if it needs one; or those of
        several arrays.
    dtype : dtype or sequence of dtypes, optional
        Of the inputs; otherwise that of the first parameter, or float32 if there is none.
    optimizer_state : int
        How many numbers the optimizer keeps per parameter: 0 for SGD, 1 for SGD with momentum, 2 for Adam.

    Returns
    -------
    Summary
        Its ``memory`` has, in bytes, `parameters`, `gradients` and `optimizer` (state), each for all trainable
        parameters but the first, which is for all; `saved`: all that the operations keep for the backward pass, and
        the results; and `total`: what is in memory at the worst moment of the backward pass. That is the parameters,
        the optimizer's state, what is still saved, the gradients of parameters that have been computed, and those of
        results that are on their way. It is without the inputs, buffers, the loss, and workspaces of algorithms
        (which ``max_workspace`` bounds); but for those, measured steps differ from it by less than 2 %.

    Raises
    ------
    ShapeError
        If input_size is no shape. Where the shape does not fit the network, what the network itself raises.
    TypeError
        If model is not a Module.

    Examples
    --------
    >>> from sevenloops import nn
    >>> nn.summary(nn.models.LeNet5(rng=0), (1, 1, 28, 28))
    layer       type       output shape     parameters    FLOPs
    -----------------------------------------------------------
    (network)   LeNet5     (1, 10)                   -        -
    conv1       Conv2d     (1, 6, 28, 28)          156  235,200
    activation  Tanh       (1, 84)                   -    6,508
    pool        AvgPool2d  (1, 16, 5, 5)             -    6,304
    conv2       Conv2d     (1, 16, 10, 10)       2,416  480,000
    ...
    parameters            61,706
    ...
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary needs a Module, but got a {type(model).__name__}.")
    slots = integer("optimizer_state", optimizer_state, 0)
    inputs = _inputs(model, input_size, dtype)
    with _untouched(model), enable_grad():
        model.train()
        layers, flops = _layers(model, inputs)
        nodes, results = _run(model, [Tensor(array) for array in inputs])
    parameters = list(model.parameters())
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    others = [p.data for p in parameters] + list(model.buffers()) + inputs
    return Summary(
        layers=layers,
        parameters=sum(parameter.size for parameter in parameters),
        trainable_parameters=sum(parameter.size for parameter in trainable),
        flops=flops,
        training_flops=flops + sum(map(backward_flops, nodes)),
        memory=step_memory(nodes, results, others, parameters, trainable, slots),
    )


def _inputs(model: Module, input_size: Any, dtype: Any) -> list[Array]:
    """Return the arrays to run the network with."""
    if not is_sequence(input_size):
        raise ShapeError(f"input_size must be a shape or a sequence of shapes, but got {input_size!r}.")
    sizes = list(input_size)
    if not sizes or not all(map(is_sequence, sizes)):
        sizes = [sizes]
    if dtype is None:
        dtype = next((parameter.dtype for parameter in model.parameters()), np.float32)
    dtypes = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(sizes)
    if len(dtypes) != len(sizes):
        raise ShapeError(f"dtype must be one, or one per input ({len(sizes)}), but got {len(dtypes)}.")
    shapes = [tuple(integer(f"input_size[{i}]", length, 0) for i, length in enumerate(size)) for size in sizes]
    return [
        np.zeros(shape, kind) if np.dtype(kind).kind in "iub" else np.ones(shape, kind)
        for shape, kind in zip(shapes, dtypes)
    ]


@contextmanager
def _untouched(model: Module) -> Iterator[None]:
    """Give every module back the attributes it had, its arrays their contents, its generators their states."""
    before = []
    for module in model.modules():
        attributes = dict(vars(module))
        arrays = [(a, a.copy()) for a in attributes.values() if isinstance(a, np.ndarray)]
        states = [(g, g.bit_generator.state) for g in attributes.values() if isinstance(g, np.random.Generator)]
        before.append((module, attributes, arrays, states))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        for module, attributes, arrays, states in before:
            vars(module).clear()
            vars(module).update(attributes)
            for array, content in arrays:
                np.copyto(array, content)
            for generator, state in states:
                generator.bit_generator.state = state


def _run(model: Module, inputs: list[Tensor]) -> tuple[list[Node], list[Tensor]]:
    """Return the nodes below the results, by falling serial as the backward pass visits them, and the results."""
    results = list(_tensors(model(*inputs)))
    waiting, met = [tensor.node for tensor in results if tensor.node is not None], set[Node]()
    while waiting:
        node = waiting.pop()
        if node not in met:
            met.add(node)
            waiting += [source for source in node.inputs or () if isinstance(source, Node)]
    return sorted(met, key=lambda node: -node.serial), results


def _tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list, dict)):
        for entry in result.values() if isinstance(result, dict) else result:
            yield from _tensors(entry)


# --- layers ---------------------------------------------------------------------------------------------------------


class _Calls:
    """When each module begins and ends, in serials of the tape: what is recorded in between is done by it."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int, Module | Node]] = []  # serial, +1 for begin and -1 for end, module
        self.shapes: dict[Module, tuple[int, ...]] = {}
        self.first: dict[Module, int] = {}

    def begin(self, module: Module, args: Any) -> None:
        serial = _serial()
        self.first.setdefault(module, serial)
        self.events.append((serial, 1, module))

    def end(self, module: Module, args: Any, result: Any) -> None:
        self.events.append((_serial(), -1, module))
        for tensor in _tensors(result):
            self.shapes[module] = tensor.shape
            break


def _serial() -> int:
    """Return a serial between those of the nodes before and after."""
    return Node(_MARK, (), (), {}, None, np.zeros(0)).serial


def _layers(model: Module, inputs: list[Array]) -> tuple[tuple[LayerSummary, ...], int]:
    """Return the rows of the table and the sum of their FLOPs."""
    calls = _Calls()
    with ExitStack() as handles:
        for module in model.modules():
            handles.enter_context(module.register_forward_pre_hook(calls.begin, prepend=True))
            handles.enter_context(module.register_forward_hook(calls.end))
        # With inputs that require a gradient everything that is computed from them is recorded.
        nodes, _ = _run(model, [Tensor(a, requires_grad=a.dtype.kind == "f") for a in inputs])
    owners: dict[int, Module] = {}
    counts = dict.fromkeys(model.modules(), 0)
    for module in model.modules():
        for _, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in owners:
                owners[id(parameter)] = owners[id(parameter.data)] = module
                counts[module] += parameter.size
    flops = dict.fromkeys(model.modules(), 0)
    active: list[Module] = []
    for serial, kind, subject in sorted([*calls.events, *((n.serial, 0, n) for n in nodes)], key=lambda e: e[0]):
        if kind == 1:
            active.append(subject)  # type: ignore[arg-type]
        elif kind == -1:
            active.pop()
        elif isinstance(subject, Node):
            module = next((owners[id(s)] for s in subject.inputs or () if id(s) in owners), active[-1])
            flops[module] += forward_flops(subject)
            calls.first.setdefault(module, serial)
            calls.shapes.setdefault(module, subject.shape)
    never = max(calls.first.values(), default=0) + 1
    rows = [
        LayerSummary(name, type(module).__name__, calls.shapes.get(module), counts[module], flops[module])
        for name, module in sorted(model.named_modules(), key=lambda named: calls.first.get(named[1], never))
    ]
    return tuple(rows), sum(flops.values())


def _no_forward() -> tuple[Any, Any]:
    return np.zeros(0), None


def _no_vjp(grad: Array, saved: None, needs: tuple[bool, ...]) -> tuple[()]:
    return ()


#: Never applied: its nodes only take a number.
_MARK = Operation("mark", _no_forward, _no_vjp)
