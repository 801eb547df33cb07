"""Convolution against PyTorch, in float64 and contiguous memory: every algorithm in every direction.

PyTorch's float32 convolution of channels-last memory has been wrong (see tests/test_anchors.py), so it is not asked
for that; our side gets the arrays in all kinds of memory and in both layouts.
"""

import random

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.errors import ShapeError, UnsupportedGeometryError
from tests.helpers import oracle
from tests.helpers.cases import seeded_cases
from tests.helpers.checks import (
    DIRECTIONS,
    MAY_REFUSE,
    assert_close,
    compute,
    expect,
    from_layout,
    judge,
    refused,
    to_layout,
    weight_from_layout,
    weight_to_layout,
)

torch = pytest.importorskip("torch", reason="needs PyTorch: make test-peers")
pytestmark = pytest.mark.peers

#: Chunks of generated cases, so that they can be shared out among processes.
CHUNKS, SIZE = 20, 110
TRANSPOSED_CHUNKS, TRANSPOSED_SIZE = 8, 75
#: Of 110 cases, at least so many must suit an algorithm that may refuse some.
SUITABLE = 15


@pytest.fixture(autouse=True)
def one_thread():
    """Waking threads takes longer than these convolutions."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_at_least_2000_cases():
    """As many as the tests below assert to have compared."""
    assert CHUNKS * SIZE >= 2000


def leaf(array):
    return torch.from_numpy(np.array(array, order="C")).requires_grad_()


def results_of_torch(case, arrays):
    """Return the output and the gradients of input, weight and bias; unequal padding is padded beforehand."""
    x, weight, bias, grad = arrays
    tensors = [leaf(x), leaf(weight), None if bias is None else leaf(bias)]
    padded = torch.nn.functional.pad(tensors[0], [n for pad in reversed(case.padding) for n in pad])
    function = getattr(torch.nn.functional, f"conv{case.axes}d")
    y = function(padded, *tensors[1:], stride=case.stride, dilation=case.dilation, groups=case.groups)
    assert y.dtype == torch.float64
    y.backward(torch.from_numpy(np.array(grad, order="C")))
    return [y.detach().numpy(), *(None if t is None else t.grad.numpy() for t in tensors)]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_convolution(chunk, capsys):
    compared = dict.fromkeys(sl.algorithms(), 0)
    for case in seeded_cases(SIZE, seed=1000 + chunk):
        arrays = [None if a is None else a.astype(a.dtype.newbyteorder("=")) for a in case.arrays("float64")]
        ours = case.arrays("float64")
        *expected, bias_grad = results_of_torch(case, arrays)
        for direction, theirs in zip(DIRECTIONS, expected, strict=True):
            definition, magnitude = expect(case, direction, arrays)
            assert_close(theirs, definition, magnitude, "loops", "float64")  # the oracle has an oracle
            for name in sl.algorithms():
                if not refused(case, direction, name, "float64"):
                    assert_close(compute(case, direction, name, ours), theirs, magnitude, name, "float64")
                    compared[name] += 1
        check_backward(case, ours, expected, bias_grad)
    for name, count in compared.items():
        assert count >= 3 * SUITABLE if name in MAY_REFUSE else count == 3 * SIZE
    with capsys.disabled():
        print(f" {SIZE} cases, {sum(compared.values())} comparisons", end="")


def check_backward(case, arrays, expected, bias_grad):
    """The same through Tensors, and for the bias."""
    x, weight, bias, grad = arrays
    tensors = [
        None if a is None else sl.Tensor(a, requires_grad=True)
        for a in (to_layout(x, case), weight_to_layout(weight, case), bias)
    ]
    y = getattr(sl, f"conv{case.axes}d")(*tensors, layout=case.layout, **case.parameters)
    y.backward(to_layout(grad, case).astype(np.float64))
    results = from_layout(y.data, case), from_layout(tensors[0].grad, case), weight_from_layout(tensors[1].grad, case)
    for result, theirs in zip(results, expected, strict=True):
        scale = np.abs(theirs).max(initial=0)
        np.testing.assert_allclose(result, theirs, rtol=1e-9, atol=1e-10 * max(scale, 1))
    if bias is not None:
        np.testing.assert_allclose(tensors[2].grad, bias_grad, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("chunk", range(TRANSPOSED_CHUNKS))
def test_conv_transpose(chunk, capsys):
    """With output_padding up to the stride or the dilation, and the same refusals."""
    chooser = random.Random(chunk)
    compared = empty = 0
    for case in seeded_cases(TRANSPOSED_SIZE, seed=2000 + chunk):
        extra = tuple(chooser.randint(0, max(s, d) - 1) for s, d in zip(case.stride, case.dilation))
        padding = tuple(before for before, _ in case.padding)
        parameters = {
            "stride": case.stride,
            "padding": padding,
            "output_padding": extra,
            "groups": case.groups,
            "dilation": case.dilation,
        }
        _, weight, _, x = (None if a is None else a.astype(np.float64) for a in case.arrays("float64"))
        bias = np.array([chooser.gauss(0, 1) for _ in range(case.x_shape[1])]) if case.has_bias else None
        theirs = [None if a is None else leaf(a) for a in (x, weight, bias)]
        function = getattr(sl, f"conv_transpose{case.axes}d")
        arguments = to_layout(x, case), weight_to_layout(weight, case), bias
        size = [
            (out - 1) * s + (k - 1) * d + 1 - 2 * p + more
            for out, k, s, d, p, more in zip(case.out, case.kernel, case.stride, case.dilation, padding, extra)
        ]
        if min(size) < 1:  # PyTorch accepts 0
            with pytest.raises(ShapeError, match="must not be empty"):
                function(*arguments, layout=case.layout, **parameters)
            empty += 1
            continue
        y = getattr(torch.nn.functional, f"conv_transpose{case.axes}d")(*theirs, **parameters)
        grad = np.random.default_rng(case.seed).standard_normal(tuple(y.shape))
        y.backward(torch.from_numpy(grad))
        wide = {**parameters, "padding": tuple((p, p) for p in padding)}
        definition, magnitude = judge(oracle.transposed, x, weight, bias, **wide)
        assert_close(y.detach().numpy(), definition, magnitude, "loops", "float64")
        for name in sl.algorithms():
            tensors = [None if a is None else sl.Tensor(a, requires_grad=True) for a in arguments]
            try:
                ours = function(*tensors, layout=case.layout, algorithm=name, **parameters)
            except UnsupportedGeometryError:
                assert name in MAY_REFUSE
                continue
            assert_close(from_layout(ours.data, case), definition, magnitude, name, "float64")
            ours.backward(to_layout(grad, case))
            dx, dw = from_layout(tensors[0].grad, case), weight_from_layout(tensors[1].grad, case)
            for mine, other in ((dx, theirs[0]), (dw, theirs[1])):
                np.testing.assert_allclose(mine, other.grad.numpy(), rtol=1e-9, atol=1e-9)
            if bias is not None:
                np.testing.assert_allclose(tensors[2].grad, theirs[2].grad.numpy(), rtol=1e-11, atol=1e-11)
        compared += 1
    assert compared + empty == TRANSPOSED_SIZE
    assert compared >= TRANSPOSED_SIZE // 2
    with capsys.disabled():
        print(f" {compared} cases", end="")


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_same_padding(axes):
    """PyTorch has it for stride 1 only, with the odd element at the end."""
    chooser = random.Random(axes)
    for _ in range(60):
        kernel, dilation, size = (tuple(chooser.randint(1, high) for _ in range(axes)) for high in (4, 3, 7))
        x = np.random.default_rng(1).standard_normal((2, 3, *size))
        weight = np.random.default_rng(2).standard_normal((4, 3, *kernel))
        theirs = getattr(torch.nn.functional, f"conv{axes}d")(
            torch.from_numpy(x), torch.from_numpy(weight), padding="same", dilation=dilation
        )
        ours = getattr(sl, f"conv{axes}d")(x, weight, padding="same", dilation=dilation)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-11)
