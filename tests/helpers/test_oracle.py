"""The oracle against examples worked out by hand, and against the plainest loops for whatever hands do not reach."""

from itertools import product

import numpy as np
import pytest

from tests.helpers import oracle

PLAIN = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1}


def line(*values):
    """One image, one channel, one axis."""
    return np.array([[values]], float)


def test_forward_by_hand():
    x, w = line(1, 2, 4, 8, 16), line(1, 10, 100)
    np.testing.assert_array_equal(oracle.forward(x, w, **PLAIN), line(421, 842, 1684))  # not flipped
    padded = {**PLAIN, "padding": ((1, 0),)}
    np.testing.assert_array_equal(oracle.forward(x, w, **padded), line(210, 421, 842, 1684))
    padded = {**PLAIN, "padding": ((0, 1),)}
    np.testing.assert_array_equal(oracle.forward(x, w, **padded), line(421, 842, 1684, 168))
    np.testing.assert_array_equal(oracle.forward(x, w, **{**PLAIN, "stride": (2,)}), line(421, 1684))
    np.testing.assert_array_equal(oracle.forward(x, w, **{**PLAIN, "dilation": (2,)}), line(1641))
    with_bias = oracle.forward(x, np.concatenate([w, w]), [1000, 2000], **PLAIN)
    np.testing.assert_array_equal(with_bias[0], [[1421, 1842, 2684], [2421, 2842, 3684]])


def test_gradients_by_hand():
    x, w, g = line(1, 2, 4, 8, 16), line(1, 10, 100), line(1, 2, 3)
    # window i reads positions i, i+1, i+2
    np.testing.assert_array_equal(oracle.input_grad(g, w, (5,), **PLAIN), line(1, 12, 123, 230, 300))
    np.testing.assert_array_equal(oracle.weight_grad(g, x, (3,), **PLAIN), line(1 + 4 + 12, 2 + 8 + 24, 4 + 16 + 48))
    # stride 2: windows read 0, 1, 2 and 2, 3, 4
    strided = {**PLAIN, "stride": (2,)}
    np.testing.assert_array_equal(oracle.input_grad(line(1, 2), w, (5,), **strided), line(1, 10, 102, 20, 200))
    np.testing.assert_array_equal(oracle.weight_grad(line(1, 2), x, (3,), **strided), line(9, 18, 36))


def test_transposed_by_hand():
    x, w = line(1, 2), line(1, 10, 100)
    parameters = {**PLAIN, "stride": (2,), "output_padding": (0,)}
    np.testing.assert_array_equal(oracle.transposed(x, w, **parameters), line(1, 10, 102, 20, 200))
    longer = {**parameters, "output_padding": (1,)}
    np.testing.assert_array_equal(oracle.transposed(x, w, [0.5], **longer), line(1.5, 10.5, 102.5, 20.5, 200.5, 0.5))
    cut = {**parameters, "padding": ((1, 2),)}
    np.testing.assert_array_equal(oracle.transposed(x, w, **cut), line(10, 102))


def test_groups_by_hand():
    x = np.array([1, 10, 100, 1000], float).reshape(1, 4, 1)
    w = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], float).reshape(4, 2, 1)  # filters 0, 1 see channels 0, 1
    grouped = {**PLAIN, "groups": 2}
    np.testing.assert_array_equal(oracle.forward(x, w, **grouped).ravel(), [21, 43, 6500, 8700])
    g = np.array([1, 0, 0, 1], float).reshape(1, 4, 1)
    np.testing.assert_array_equal(oracle.input_grad(g, w, (1,), **grouped).ravel(), [1, 2, 7, 8])
    np.testing.assert_array_equal(oracle.weight_grad(g, x, (1,), **grouped)[[0, 3], :, 0], [[1, 10], [100, 1000]])


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "dilation", "expected"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),  # the odd one at the end
        (5, 3, 2, 1, (1, 1)),  # windows at -1, 1, 3
        (6, 3, 2, 1, (0, 1)),  # windows at 0, 2, 4
        (6, 1, 4, 1, (0, 0)),
        (4, 3, 1, 3, (3, 3)),
        (1, 4, 1, 1, (1, 2)),
    ],
)
def test_same_by_hand(length, kernel, stride, dilation, expected):
    assert oracle.same_pads(length, kernel, stride, dilation) == expected


@pytest.mark.parametrize("seed", range(6))
def test_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    axes = 1 + seed % 3
    groups, group_in, group_out = (int(v) for v in rng.integers(1, 3, 3))
    kernel, stride, dilation = (tuple(int(v) for v in rng.integers(1, 4, axes)) for _ in range(3))
    padding = tuple((int(a), int(b)) for a, b in rng.integers(0, 4, (axes, 2)))
    size = tuple(int(v) + 6 for v in rng.integers(0, 4, axes))
    x = rng.standard_normal((2, groups * group_in, *size))
    w = rng.standard_normal((groups * group_out, group_in, *kernel))
    bias = rng.standard_normal(groups * group_out)
    parameters = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    starts = [
        range(0, n - (k - 1) * d, s) for n, k, s, d in zip(padded.shape[2:], kernel, stride, dilation, strict=True)
    ]
    expected = np.empty((2, groups * group_out, *map(len, starts)))
    dx, dw = np.zeros_like(padded), np.zeros_like(w)
    g = rng.standard_normal(expected.shape)
    for n, o, *position in np.ndindex(expected.shape):
        total = bias[o]
        for c, *tap in product(range(group_in), *map(range, kernel)):
            place = [r[i] + u * d for r, i, u, d in zip(starts, position, tap, dilation, strict=True)]
            source = (n, o // group_out * group_in + c, *place)
            total += w[(o, c, *tap)] * padded[source]
            dx[source] += w[(o, c, *tap)] * g[(n, o, *position)]
            dw[(o, c, *tap)] += padded[source] * g[(n, o, *position)]
        expected[(n, o, *position)] = total
    inside = (..., *(slice(before, before + n) for (before, _), n in zip(padding, size, strict=True)))
    np.testing.assert_allclose(oracle.forward(x, w, bias, **parameters), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(oracle.input_grad(g, w, size, **parameters), dx[inside], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(oracle.weight_grad(g, x, kernel, **parameters), dw, rtol=1e-12, atol=1e-12)
