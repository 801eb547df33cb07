"""Steps of optimizers in machine code, of all parameters at once; the formulas are those of `sevenloops.optim`."""

import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from sevenloops import runtime
from sevenloops.arrays import Array
from sevenloops.jit import pool
from sevenloops.jit.language import Code, Value
from sevenloops.jit.step.flat import address, memory_order
from sevenloops.jit.step.segments import ARGUMENTS, Formula, SegmentForm

__all__ = ["Change", "adam", "rmsprop", "sgd"]

_BLOCK = 1 << 14  # elements of an item
_ALONE = 1 << 16  # elements up to which one thread is faster


class Change(NamedTuple):
    """What is to be done to one parameter, in its step of a number from 1 on; `first` if its buffers are new."""

    data: Array
    gradient: Array
    buffers: tuple[Array, ...]
    number: int
    first: bool
    options: Mapping[str, Any]


class _Plan(NamedTuple):
    """What the options of a change ask for: which formula, by a name of its own, and what numbers it is given."""

    name: str
    formula: Formula
    numbers: tuple[float, ...]


def _steps(changes: Sequence[tuple[Any, ...]], plan: Callable[[Change], _Plan]) -> list[int]:
    """Make the steps; return the numbers of those changes whose memory is not in one order, which are left."""
    left: list[int] = []
    groups: dict[tuple[str, str, int], tuple[_Plan, list[int], list[int], list[tuple[float, ...]]]] = {}
    rows: dict[tuple[int, int, bool], _Plan] = {}
    for number, change in enumerate(map(Change._make, changes)):
        starts = _starts(change)
        if starts is None:
            left.append(number)
            continue
        key = (id(change.options), change.number, change.first)
        chosen = rows.get(key)
        if chosen is None:
            chosen = rows[key] = plan(change)
        group = (chosen.name, change.data.dtype.char, len(change.buffers))
        if group not in groups:
            groups[group] = (chosen, [], [], [])
        _, segments, sizes, numbers = groups[group]
        if not numbers or numbers[-1] != chosen.numbers:
            numbers.append(chosen.numbers)
        segments += [*starts, len(numbers) - 1]
        sizes.append(change.data.size)
    for (name, char, buffers), (chosen, segments, sizes, numbers) in groups.items():
        dtype = np.dtype(char)
        form = SegmentForm(f"{name}_{char}", chosen.formula, buffers, len(chosen.numbers), dtype.itemsize)
        items = _items(tuple(sizes))
        table = (ctypes.c_int64 * len(segments))(*segments)
        values = np.array(numbers, dtype)
        args = ARGUMENTS.pack(
            {"items": address(items), "segments": ctypes.addressof(table), "numbers": address(values)}
        )
        threads = runtime.get_num_threads() if sum(sizes) > _ALONE else 1
        pool.run(form.load(), args, len(items), 1, threads)
    return left


def _starts(change: Change) -> list[int] | None:
    """Return the addresses of the values, the gradient and the buffers, if all are runs of memory in one order."""
    data, gradient = change.data, change.gradient
    if data.dtype.char not in "fd" or gradient.dtype != data.dtype or not data.dtype.isnative:
        return None
    if not (data.flags.c_contiguous and gradient.flags.c_contiguous):
        order = memory_order(data)
        if order is None or memory_order(gradient) != order:
            return None
    if not data.flags.writeable or not data.flags.aligned or not gradient.flags.aligned:
        return None
    return [address(data), address(gradient), *map(address, change.buffers)]


@lru_cache(maxsize=64)
def _items(sizes: tuple[int, ...]) -> Array:
    items = [
        (segment, start, min(start + _BLOCK, size))
        for segment, size in enumerate(sizes)
        for start in range(0, size, _BLOCK)
    ]
    return np.array(items, np.int64).reshape(-1, 3)


def _descent(code: Code, p: Value, g: Value, sign: Value, decay: Value | None) -> Value:
    """Return the gradient of what is minimised, with the decay of the weights."""
    g = g * sign
    return g if decay is None else code.fma(p, decay, g)


# --- SGD ---------------------------------------------------------------------------------------------------------


def sgd(changes: Sequence[tuple[Any, ...]]) -> list[int]:
    """Make steps of `sevenloops.optim.SGD`; each change has the fields of `Change`."""
    return _steps(changes, _sgd_plan)


def _sgd_plan(change: Change) -> _Plan:
    o = change.options
    fresh = 1.0 if change.first else 1 - o["dampening"]  # the buffer is 0 in the first step
    flags = (bool(o["weight_decay"]), bool(o["momentum"]), bool(o["nesterov"]))
    numbers = (-1.0 if o["maximize"] else 1.0, o["lr"], o["weight_decay"], o["momentum"], fresh)
    return _Plan(_name("sgd", flags), _sgd(*flags), numbers)


@lru_cache
def _sgd(decays: bool, momentum: bool, nesterov: bool) -> Formula:
    def formula(
        code: Code, p: Value, g: Value, buffers: Sequence[Value], numbers: Sequence[Value]
    ) -> tuple[Value, list[Value]]:
        sign, lr, decay, mu, fresh = numbers
        d = _descent(code, p, g, sign, decay if decays else None)
        if not momentum:
            return p - d * lr, []
        b = code.fma(buffers[0], mu, d * fresh)
        return p - (code.fma(b, mu, d) if nesterov else b) * lr, [b]

    return formula


# --- Adam --------------------------------------------------------------------------------------------------------


def adam(changes: Sequence[tuple[Any, ...]]) -> list[int]:
    """Make steps of `sevenloops.optim.Adam` and `sevenloops.optim.AdamW`; each change has the fields of `Change`."""
    return _steps(changes, _adam_plan)


def _adam_plan(change: Change) -> _Plan:
    o = change.options
    beta1, beta2 = o["betas"]
    decays, decoupled = bool(o["weight_decay"]), o["decoupled_weight_decay"]
    flags = (decays and not decoupled, decays and decoupled, bool(o["amsgrad"]))
    # m / (√v / c + ε) is c·m / (√v + c·ε)
    correction = math.sqrt(1 - beta2**change.number)
    numbers = (
        *(-1.0 if o["maximize"] else 1.0, o["weight_decay"], 1 - o["lr"] * o["weight_decay"]),
        *(beta1, 1 - beta1, beta2, 1 - beta2),
        *(o["eps"] * correction, o["lr"] * correction / (1 - beta1**change.number)),
    )
    return _Plan(_name("adam", flags), _adam(*flags), numbers)


@lru_cache
def _adam(decays: bool, decoupled: bool, amsgrad: bool) -> Formula:
    def formula(
        code: Code, p: Value, g: Value, buffers: Sequence[Value], numbers: Sequence[Value]
    ) -> tuple[Value, list[Value]]:
        sign, decay, shrunk, beta1, rest1, beta2, rest2, eps, rate = numbers
        if decoupled:
            p = p * shrunk
        d = _descent(code, p, g, sign, decay if decays else None)
        mean = code.fma(buffers[0], beta1, d * rest1)
        square = code.fma(buffers[1], beta2, d * d * rest2)
        kept, largest = [mean, square], square
        if amsgrad:
            seen = buffers[2]
            # NaN stays, whichever it is in
            largest = code.select(seen > square, seen, code.select(seen.equals(seen), square, seen))
            kept.append(largest)
        return p - mean / (code.root(largest) + eps) * rate, kept

    return formula


# --- RMSprop -----------------------------------------------------------------------------------------------------


def rmsprop(changes: Sequence[tuple[Any, ...]]) -> list[int]:
    """Make steps of `sevenloops.optim.RMSprop`; each change has the fields of `Change`."""
    return _steps(changes, _rmsprop_plan)


def _rmsprop_plan(change: Change) -> _Plan:
    o = change.options
    flags = (bool(o["weight_decay"]), bool(o["centered"]), bool(o["momentum"]))
    numbers = (
        *(-1.0 if o["maximize"] else 1.0, o["lr"], o["weight_decay"]),
        *(o["alpha"], 1 - o["alpha"], o["eps"], o["momentum"]),
    )
    return _Plan(_name("rmsprop", flags), _rmsprop(*flags), numbers)


@lru_cache
def _rmsprop(decays: bool, centered: bool, momentum: bool) -> Formula:
    def formula(
        code: Code, p: Value, g: Value, buffers: Sequence[Value], numbers: Sequence[Value]
    ) -> tuple[Value, list[Value]]:
        sign, lr, decay, alpha, rest, eps, mu = numbers
        d = _descent(code, p, g, sign, decay if decays else None)
        square = code.fma(buffers[0], alpha, d * d * rest)
        kept, variance = [square], square
        if centered:
            mean = code.fma(buffers[1], alpha, d * rest)
            kept.append(mean)
            variance = square - mean * mean  # not negative, but for rounding
            variance = code.select(variance < code.zero(), code.zero(), variance)
        change = d / (code.root(variance) + eps)
        if momentum:
            change = code.fma(buffers[-1], mu, change)
            kept.append(change)
        return p - change * lr, kept

    return formula


def _name(update: str, flags: tuple[bool, ...]) -> str:
    return f"step_{update}_{''.join('01'[flag] for flag in flags)}"
