"""Mistakes found in public NumPy convolutions: each has a test that fails if it is made here (tests/test_meta.py).

Those of convolution are below. The others live with what they are about:

- max pooling pads with 0 instead of -inf:
  functional/pooling/test_known_mistakes.py::test_an_all_negative_input_does_not_pool_to_zero
- the gradient of max pooling reads unpadded input:
  functional/pooling/test_known_mistakes.py::test_the_gradient_of_a_padded_maximum_reaches_the_element_it_came_from
- the gradient of average pooling is right for square kernels only:
  functional/pooling/test_known_mistakes.py::test_the_gradient_of_an_average_over_a_window_that_is_not_square
- pooling crashes with one channel, one image, or a remainder of the stride:
  functional/pooling/test_known_mistakes.py::test_one_image_of_one_channel_and_none_at_all
  functional/pooling/test_known_mistakes.py::test_a_remainder_of_the_stride_is_left_out_and_gets_no_gradient
- softmax subtracts the maximum of the whole batch:
  functional/losses/test_classes.py::test_rows_of_very_different_size_are_stable
- a scaled tanh loses its scale in the gradient:
  functional/activations/test_elementwise.py::test_the_gradient_of_a_scaled_tanh_keeps_its_scale
- the loss's gradient is not divided by the batch size, or twice:
  functional/losses/test_classes.py::test_the_gradient_is_softmax_minus_one_hot_over_n
- Adam without bias correction:
  optim/test_adam.py::test_the_first_step_is_the_learning_rate_whatever_the_size_of_the_gradient
- weights updated on validation data:
  train/test_training.py::test_the_test_images_have_no_influence_on_the_weights
- data never shuffled:
  data/test_loader.py::test_the_order_differs_by_epoch_and_by_seed
- a last partial batch crashes:
  train/test_trainer.py::test_the_loop_is_gradient_descent_on_every_batch_the_last_partial_one_too
- a gradient check with an absolute tolerance, or with one cotangent of ones:
  test_testing.py::test_a_tiny_gradient_is_not_passed_for_its_size
  test_testing.py::test_swapped_symmetric_gradients_are_caught
- an oracle computed in float32:
  test_testing.py::test_single_precision_arrays_are_checked_in_double
- PyTorch's float32 convolution of channels-last memory as an oracle: peers/test_convolution_torch.py uses float64 and
  contiguous memory, and `test_one_channel_in_channels_last_memory` below tries ours on its case
"""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.errors import ShapeError
from tests.helpers import oracle
from tests.helpers.cases import Case
from tests.helpers.checks import (
    ALGORITHMS,
    DIRECTIONS,
    assert_close,
    assert_right,
    compute,
    expect,
    refused,
)

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
every_direction = pytest.mark.parametrize("direction", DIRECTIONS)

#: Stride 1 and no dilation, so that every algorithm can do it; nothing is square.
CASE = Case(
    batch=3,
    groups=1,
    group_in=2,
    group_out=4,
    size=(6, 9),
    kernel=(3, 2),
    out=(7, 11),
    stride=(1, 1),
    dilation=(1, 1),
    padding=((1, 2), (3, 0)),
    has_bias=True,
    channels_last=False,
    memory=("inside",) * 3,  # with NaN all around
    seed=5,
)


def right(case, direction, algorithm, dtype="float64"):
    if not refused(case, direction, algorithm, dtype):
        assert_right(case, direction, algorithm, dtype)


def test_every_test_named_above_exists():
    here = Path(__file__).parent
    named = re.findall(r"^  (\S+\.py)::(\w+)$", __doc__, re.MULTILINE)
    assert len(named) == 15
    for path, name in named:
        assert f"def {name}(" in (here / path).read_text(encoding="utf-8"), f"{path}::{name}"


# --- geometry -----------------------------------------------------------------------------------------------------


@every_algorithm
def test_col2im_crops_height_and_width(algorithm):
    """With padding the gradient is cropped along the spatial axes, not along batch and channels."""
    case = replace(CASE, batch=7, group_in=8, padding=((2, 2), (1, 1)), out=(8, 10))
    right(case, "input_grad", algorithm)
    one_of_each = sl.im2col(np.ones(case.x_shape), case.kernel, padding=case.padding)
    counts = sl.col2im(np.ones_like(one_of_each), case.x_shape, case.kernel, padding=case.padding)
    assert counts.shape == case.x_shape
    np.testing.assert_array_equal(counts, np.full(case.x_shape, 6.0))  # each in every window that can be


@every_algorithm
def test_the_stride_is_applied_once(algorithm):
    """A strided convolution is every s-th element of the dense one: none is skipped, none computed twice."""
    dense = replace(CASE, has_bias=False)
    case = replace(dense, stride=(2, 3), out=(4, 4))
    if not refused(case, "forward", algorithm, "float64"):
        every = compute(dense, "forward", algorithm, dense.arrays("float64"))
        some = compute(case, "forward", algorithm, case.arrays("float64"))
        np.testing.assert_allclose(some, every[:, :, ::2, ::3], rtol=1e-11, atol=1e-11)
    right(case, "input_grad", algorithm)
    right(case, "weight_grad", algorithm)


@every_direction
@every_algorithm
def test_each_axis_has_its_own_index(algorithm, direction):
    """One loop variable for both axes shows where the image is not symmetric, so a random one."""
    for size, out in (((6, 9), (7, 11)), ((9, 6), (10, 8)), ((7, 7), (8, 9))):
        right(replace(CASE, size=size, out=out), direction, algorithm)


@every_direction
@every_algorithm
def test_height_and_width_are_not_exchanged(algorithm, direction):
    """Exchanged in a strided view they read what lies behind the array: here NaN."""
    high = replace(CASE, size=(13, 2), kernel=(4, 1), out=(10, 2), padding=((0, 0), (0, 0)))
    wide = replace(CASE, size=(2, 13), kernel=(1, 4), out=(2, 10), padding=((0, 0), (0, 0)))
    for case in (high, wide):
        right(case, direction, algorithm)
    right(replace(high, stride=(3, 1), out=(4, 2)), direction, algorithm)
    right(replace(wide, dilation=(1, 4), out=(2, 1)), direction, algorithm)


def test_a_dilated_kernel_covers_k_minus_1_times_d_plus_1():
    """Not k·d: three taps of dilation 2 fit into five positions."""
    w = np.array([[[1.0, 10.0, 100.0]]])
    np.testing.assert_array_equal(sl.conv1d(np.array([[[1.0, 2, 3, 4, 5]]]), w, dilation=2), [[[531.0]]])
    with pytest.raises(ShapeError, match="covers 5 positions"):
        sl.conv1d(np.ones((1, 1, 4)), w, dilation=2)
    assert sl.conv1d(np.ones((1, 1, 9)), w, dilation=4).shape == (1, 1, 1)
    assert sl.conv_transpose1d(np.ones((1, 1, 1)), w, dilation=2).shape == (1, 1, 5)
    assert sl.conv1d(np.ones((1, 1, 3)), w, dilation=2, padding="same").shape == (1, 1, 3)


def test_same_padding_is_that_of_the_spatial_axes():
    """Not of the batch axis, which is longer here, nor of the channels."""
    for batch in (1, 2, 50):
        x = np.ones((batch, 3, 5, 8))
        y = sl.conv2d(x, np.ones((2, 3, 3, 4)), padding="same", stride=(2, 3))
        assert y.shape == (batch, 2, 3, 3)
        np.testing.assert_array_equal(y[0, 0], [[18, 24, 18], [27, 36, 27], [18, 24, 18]])


def test_same_padding_has_its_odd_element_at_the_end():
    y = sl.conv1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]]), padding="same")
    np.testing.assert_array_equal(y, [[[21.0, 32.0, 3.0]]])


@every_direction
@every_algorithm
def test_both_sides_of_a_padding_count(algorithm, direction):
    for padding in (((0, 3), (2, 0)), ((3, 0), (0, 2)), ((2, 1), (0, 2))):
        right(replace(CASE, padding=padding, out=(7, 10)), direction, algorithm)


@every_direction
@every_algorithm
def test_one_of_everything_and_remainders(algorithm, direction):
    """One channel, one image, one position, a stride that leaves a remainder: cases that crash where axes vanish."""
    one = replace(CASE, batch=1, group_in=1, group_out=1)
    right(one, direction, algorithm)
    right(replace(one, size=(1, 1), kernel=(1, 1), out=(1, 1), padding=((0, 0), (0, 0))), direction, algorithm)
    right(replace(one, size=(1, 1), kernel=(3, 3), out=(1, 1), padding=((1, 1), (1, 1))), direction, algorithm)
    right(replace(CASE, stride=(3, 4), out=(3, 3)), direction, algorithm)  # the last 0 and 2 are in no window
    right(replace(CASE, stride=(5, 2), out=(2, 6)), direction, algorithm)


def test_a_last_partial_batch():
    """Batches of different sizes one after another, each as if it were the only one."""
    x, w, b = (np.random.default_rng(0).standard_normal(s) for s in ((7, 2, 6, 5), (3, 2, 3, 3), 3))
    whole = oracle.forward(x, w, b, stride=(1, 1), padding=((1, 1), (1, 1)), dilation=(1, 1), groups=1)
    for algorithm in ALGORITHMS:
        parts = [sl.conv2d(x[i : i + 3], w, b, padding=1, algorithm=algorithm) for i in range(0, 7, 3)]
        assert [len(part) for part in parts] == [3, 3, 1]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-11, atol=1e-11)


@every_algorithm
def test_groups_see_their_own_channels_in_order(algorithm):
    """Group g of the filters reads channels g·C/groups and following, not every groups-th."""
    for direction in DIRECTIONS:
        right(replace(CASE, groups=2, group_in=3, group_out=2), direction, algorithm)
        right(replace(CASE, groups=3, group_in=1, group_out=2), direction, algorithm)


@every_algorithm
def test_the_kernel_is_not_flipped(algorithm):
    if refused(CASE, "forward", algorithm, "float64"):
        return
    x, w = np.zeros((1, 1, 5, 6)), np.arange(6.0).reshape(1, 1, 3, 2)
    x[0, 0, 2, 3] = 1
    y = sl.conv2d(x, w, algorithm=algorithm)
    np.testing.assert_allclose(y[0, 0, :, 2:4], w[0, 0, ::-1, ::-1], atol=1e-14)


# --- bias and gradients -------------------------------------------------------------------------------------------


@every_algorithm
def test_the_bias_belongs_to_the_channels(algorithm):
    """With as many filters as rows, columns and images every axis would take it."""
    case = replace(CASE, batch=4, size=(4, 4), kernel=(3, 3), out=(4, 4), padding=((1, 1), (1, 1)))
    assert case.out_shape == (4, 4, 4, 4)
    right(case, "forward", algorithm)
    for layout_last in (True, False):
        right(replace(case, channels_last=layout_last), "forward", algorithm)


def test_a_bias_of_another_shape_is_refused():
    x, w = np.ones((4, 4, 4, 4)), np.ones((4, 4, 1, 1))
    for shape in ((4, 1), (1, 4), (4, 1, 1), (1,), ()):
        with pytest.raises(ShapeError, match="one entry per output channel"):
            sl.conv2d(x, w, np.ones(shape))
        with pytest.raises(ShapeError, match="one entry per output channel"):
            sl.conv_transpose2d(x, w, np.ones(shape))


@every_algorithm
def test_gradients_are_sums_over_the_batch(algorithm):
    """No gradient is divided by the batch size; that is the loss's, once."""
    x, w, b = CASE.arrays("float64")[:3]
    parameters = {**CASE.parameters, "algorithm": algorithm}
    grads = []
    for images in (x, np.concatenate([x, x, x])):
        tensors = [sl.Tensor(np.array(a), requires_grad=True) for a in (images, w, b)]
        y = sl.conv2d(*tensors, **parameters)
        y.backward(np.ones(y.shape))
        grads.append([t.grad for t in tensors])
    (dx, dw, db), (dx3, dw3, db3) = grads
    np.testing.assert_allclose(dw3, 3 * dw, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(db3, 3 * db, rtol=1e-11)
    np.testing.assert_allclose(db, np.full(4, 3 * 7 * 11.0), rtol=1e-12)
    np.testing.assert_allclose(dx3, np.concatenate([dx, dx, dx]), rtol=1e-11, atol=1e-11)


@every_direction
@every_algorithm
def test_small_gradients_are_as_right_as_large_ones(algorithm, direction):
    """An absolute tolerance of 1e-6 would pass anything here; errors are relative to the terms."""
    x, w, b, g = CASE.arrays("float64")
    tiny = (x * 1e-9, w * 1e-9, b * 1e-18, g * 1e-9)
    expected, magnitude = expect(CASE, direction, tiny)
    assert np.abs(expected).max() < 1e-15
    assert_close(compute(CASE, direction, algorithm, tiny), expected, magnitude, algorithm, "float64")


@pytest.mark.parametrize("direction", ["input_grad", "weight_grad"])
@every_algorithm
def test_the_cotangent_is_random(algorithm, direction):
    """With one of ones a gradient may take positions, images and channels in any order."""
    case = replace(CASE, padding=((0, 0), (0, 0)), out=(4, 8))
    *_, grad = case.arrays("float64")
    assert len(np.unique(grad)) == grad.size
    right(case, direction, algorithm)


@every_direction
@every_algorithm
def test_the_oracle_computes_in_float64(algorithm, direction):
    """An error of 1e-9 is one, and float32 would not show it."""
    arrays = CASE.arrays("float32")
    expected, magnitude = expect(CASE, direction, arrays)
    assert expected.dtype == np.float64
    wide = tuple(a.astype(np.float64) for a in arrays)
    result = compute(CASE, direction, algorithm, wide)
    assert_close(result, expected, magnitude, algorithm, "float64")


def test_comparisons_are_asserted():
    """The check itself: it refuses a wrong element, a NaN, another shape, and what is outside the tolerance."""
    arrays = CASE.arrays("float64")
    expected, magnitude = expect(CASE, "forward", arrays)
    assert_close(expected, expected, magnitude, "loops", "float64")
    for wrong in (expected + 1e-9, expected[..., :-1], expected.transpose(0, 1, 3, 2), np.zeros_like(expected)):
        with pytest.raises(AssertionError):
            assert_close(wrong, expected, magnitude, "loops", "float64")
    for value in (np.nan, np.inf, 0.0):
        one = expected.copy()
        one[1, 2, 3, 4] = value
        with pytest.raises(AssertionError, match="element \\(1, 2, 3, 4\\)"):
            assert_close(one, expected, magnitude, "loops", "float64")


# --- arguments ----------------------------------------------------------------------------------------------------

WRONG = [
    (ShapeError, {"stride": 0}),
    (ShapeError, {"stride": -2}),
    (ShapeError, {"dilation": 0}),
    (ShapeError, {"padding": -1}),
    (ShapeError, {"groups": 0}),
    (ShapeError, {"groups": 3}),
    (ShapeError, {"dilation": 9}),
    (TypeError, {"stride": 1.5}),
    (TypeError, {"stride": "1"}),
    (TypeError, {"padding": None}),
    (TypeError, {"groups": True}),
]


@pytest.mark.parametrize(("kind", "wrong"), WRONG, ids=lambda v: str(v) if type(v) is dict else "")
def test_validation_raises_one_sentence_of_the_right_type(kind, wrong):
    """Wrong types are TypeError, wrong values ShapeError: never an AssertionError, never two arguments."""
    with pytest.raises(Exception) as refusal:
        sl.conv2d(np.ones((1, 4, 5, 6)), np.ones((2, 4, 2, 3)), **wrong)
    assert type(refusal.value) is kind
    assert len(refusal.value.args) == 1
    message, (name,) = str(refusal.value), wrong
    assert len(message) > 20
    assert name in message


def test_validation_does_not_go_away_with_python_o():
    """`assert` would: python -O removes it, and stride 0 would divide by zero somewhere."""
    script = (
        "import numpy as np, sevenloops as sl\n"
        "for wrong in ({'stride': 0}, {'groups': 3}, {'dilation': 9}, {'padding': -1}):\n"
        "    try:\n"
        "        sl.conv2d(np.ones((1, 4, 5, 6)), np.ones((2, 4, 2, 3)), **wrong)\n"
        "    except sl.errors.ShapeError as error:\n"
        "        print(len(error.args[0]) > 20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["True"] * 4


def test_lists_are_arrays():
    x, w = [[[[1.0, 2.0, 3.0]]]], [[[[1.0, 1.0]]]]
    np.testing.assert_array_equal(sl.conv2d(x, w, [10.0]), [[[[13.0, 15.0]]]])
    np.testing.assert_array_equal(sl.conv2d_input_grad([[[[1.0, 10.0]]]], w, [1, 1, 1, 3]), [[[[1.0, 11.0, 10.0]]]])
    np.testing.assert_array_equal(sl.conv2d_weight_grad([[[[1.0, 10.0]]]], x, [1, 2]), [[[[21.0, 32.0]]]])
    np.testing.assert_array_equal(sl.conv_transpose2d(x, w), [[[[1.0, 3.0, 5.0, 3.0]]]])


# --- memory and state ---------------------------------------------------------------------------------------------


@every_direction
@every_algorithm
def test_one_channel_in_channels_last_memory(algorithm, direction):
    """PyTorch 2.13 is wrong here in float32: strides of an axis of length one mean nothing."""
    case = Case(
        batch=2,
        groups=1,
        group_in=1,
        group_out=3,
        size=(13, 4),
        kernel=(3, 3),
        out=(9, 1),
        stride=(1, 3),
        dilation=(2, 1),
        padding=((0, 0), (0, 0)),
        has_bias=True,
        channels_last=False,
        memory=("channels-last",) * 3,
        seed=2,
    )
    for dtype in ("float32", "float64"):
        for channels_last in (False, True):
            right(replace(case, channels_last=channels_last), direction, algorithm, dtype)


@every_direction
@every_algorithm
def test_nothing_is_remembered_from_the_call_before(algorithm, direction):
    """Same shapes, other parameters, back and forth: a plan or geometry found again must be that of the call."""
    cases = [
        replace(CASE, padding=((1, 2), (3, 0))),
        replace(CASE, padding=((2, 1), (3, 0))),
        replace(CASE, padding=((1, 2), (0, 3))),
        replace(CASE, padding=((1, 2), (3, 0)), channels_last=True),
        replace(CASE, memory=("channels-last",) * 3),
        replace(CASE, has_bias=False),
        replace(CASE, seed=6),
    ]
    for case in (*cases, *reversed(cases)):
        right(case, direction, algorithm)
        right(case, direction, algorithm, "float32")


@every_direction
@every_algorithm
def test_inputs_are_not_changed(algorithm, direction):
    """`assert_right` compares every byte, here of arrays that could be written to; and read-only ones are enough."""
    right(replace(CASE, memory=("contiguous",) * 3), direction, algorithm)
    right(replace(CASE, memory=("read-only",) * 3), direction, algorithm)
