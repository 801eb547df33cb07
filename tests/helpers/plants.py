"""Mistakes to plant: each is a context manager under which the library makes it.

Most wrap one kernel in the table of backends, since what a kernel computes is the same whatever is in it.
"""

import contextlib
import time
from dataclasses import replace

import numpy as np
import pytest

from sevenloops import backends
from sevenloops.conv.problem import Epilogue
from sevenloops.geometry import arguments, axis, convolution
from tests.helpers.ladder import forget_plans

__all__ = [
    "broadcast_to_columns",
    "crop_batch_and_channels",
    "geometry_is",
    "kernel",
    "leave_the_last_row",
    "one_step_too_far",
    "only_the_diagonal",
    "patched",
    "secret_workspace",
    "shared_buffer",
    "unbounded",
    "with_bias",
    "with_geometry",
    "with_operands",
    "with_result",
    "write_to_input",
]


@contextlib.contextmanager
def patched(*places):
    """Replace attributes, (module, name, value) each, with no plan or geometry kept from before or after."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in places:
            patch.setattr(module, name, value)
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget():
    forget_plans()
    convolution._build.cache_clear()


@contextlib.contextmanager
def kernel(algorithm, direction, wrap):
    """Replace an algorithm's kernel by ``wrap(kernel)``."""
    kernels = backends._TABLE[f"conv/{algorithm}", direction]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(kernels, "numpy", wrap(kernels["numpy"]))
        yield


# --- wraps: what is different about the wrong kernel ------------------------------------------------------------


def with_operands(change):
    """The kernel gets other operands: ``change(first, second, geometry) -> (first, second)``."""

    def wrap(right):
        def wrong(first, second, out, problem, *epilogue):
            right(*change(first, second, problem.geometry), out, problem, *epilogue)

        return wrong

    return wrap


def with_geometry(**change):
    """The kernel gets another geometry; each keyword is a field and ``change(geometry) -> value``."""

    def wrap(right):
        def wrong(first, second, out, problem, *epilogue):
            g = problem.geometry
            other = replace(g, **{name: value(g) for name, value in change.items()})
            right(first, second, out, replace(problem, geometry=other), *epilogue)

        return wrong

    return wrap


def with_result(change):
    """Something happens to the result: ``change(out, geometry)``, in place."""

    def wrap(right):
        def wrong(first, second, out, problem, *epilogue):
            right(first, second, out, problem, *epilogue)
            change(out, problem.geometry)

        return wrong

    return wrap


def with_bias(add):
    """The bias is not added by the epilogue but by ``add(out, bias)``."""

    def wrap(right):
        def wrong(x, weight, out, problem, epilogue):
            right(x, weight, out, problem, Epilogue(None))
            if epilogue.bias is not None:
                add(out, epilogue.bias)

        return wrong

    return wrap


def geometry_is(**wrong):
    """Replace functions of the geometry wherever they are used."""
    places = [
        (module, name, value)
        for name, value in wrong.items()
        for module in (arguments, axis, convolution)
        if hasattr(module, name)
    ]
    assert len(places) >= len(wrong)
    return patched(*places)


def broadcast_to_columns(out, bias):
    """Add the bias along the last axis, as far as it goes."""
    width = min(out.shape[-1], len(bias))
    out[..., :width] += bias[:width]


def only_the_diagonal(out, _):
    """One loop variable for both axes: what belongs to (i, i) is found at (i, j)."""
    rows = np.minimum(np.arange(out.shape[2])[:, None], min(out.shape[2:]) - 1)
    out[...] = out[:, :, rows, rows]


# --- wrong kernels of other kinds ----------------------------------------------------------------------------------


def crop_batch_and_channels(right):
    """Compute the gradient of the padded input, then cut the padding off the wrong axes."""

    def wrong(grad_output, weight, out, problem):
        g = problem.geometry
        size = tuple(n + sum(pad) for n, pad in zip(g.input_size, g.padding))
        padded = np.zeros((*out.shape[:2], *size), out.dtype)
        no_padding = replace(g, input_size=size, padding=((0, 0),) * g.axes)
        right(grad_output, weight, padded, replace(problem, geometry=no_padding))
        cut = padded[tuple(slice(before, n - after) for (before, after), n in zip(g.padding, padded.shape))]
        out[...] = np.resize(cut, out.shape)

    return wrong


def shared_buffer(right):
    """A buffer that all calls use, as if each were alone."""
    shared = {}

    def wrong(first, second, out, problem, *epilogue):
        buffer = shared.setdefault(out.shape, np.empty_like(out))
        right(first, second, buffer, problem, *epilogue)
        time.sleep(0.02)
        out[...] = buffer

    return wrong


def leave_the_last_row(right):
    """One iteration too few: what is there stays there."""

    def wrong(first, second, out, problem, *epilogue):
        whole = np.empty_like(out)
        right(first, second, whole, problem, *epilogue)
        out[..., :-1, :] = whole[..., :-1, :]

    return wrong


def one_step_too_far(right):
    """Windows that end one element behind the array, where another array's elements are."""

    def wrong(x, weight, out, problem, epilogue):
        right(x, weight, out, problem, epilogue)
        longer = np.lib.stride_tricks.as_strided(x, (*x.shape[:-1], x.shape[-1] + 1), x.strides)
        out[..., -1] += longer[:, :1, : out.shape[2], -1]

    return wrong


def secret_workspace(right):
    def wrong(*arguments):
        hidden = np.ones(250_000)
        right(*arguments)
        del hidden

    return wrong


def write_to_input(right):
    def wrong(first, second, out, problem, *epilogue):
        right(first, second, out, problem, *epilogue)
        if first.flags.writeable:
            first[...] = 0

    return wrong


def unbounded(right):
    def wrong(first, second, out, problem, *epilogue):
        right(first, second, out, replace(problem, max_workspace=None), *epilogue)

    return wrong
