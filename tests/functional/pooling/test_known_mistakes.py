"""Mistakes found in public NumPy poolings, each with numbers small enough to check by hand."""

import numpy as np
import pytest

from sevenloops import functional as F
from sevenloops.autograd import Tensor

ALGORITHMS = pytest.mark.parametrize("algorithm", F.pooling_algorithms())


@ALGORITHMS
def test_an_all_negative_input_does_not_pool_to_zero(algorithm):
    x = np.full((1, 1, 2, 2), -3.0)
    y, indices = F.max_pool2d(x, 2, stride=1, padding=1, return_indices=True, algorithm=algorithm)
    np.testing.assert_array_equal(y[0, 0], np.full((3, 3), -3.0))
    np.testing.assert_array_equal(indices[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])


@ALGORITHMS
def test_the_gradient_of_a_padded_maximum_reaches_the_element_it_came_from(algorithm):
    x = Tensor(np.array([[[[1.0, 9.0], [5.0, 7.0]]]]), requires_grad=True)
    y = F.max_pool2d(x, 2, stride=2, padding=1, algorithm=algorithm)  # each corner window sees one element
    np.testing.assert_array_equal(y.data[0, 0], [[1, 9], [5, 7]])
    y.backward(np.array([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    np.testing.assert_array_equal(x.grad[0, 0], [[1, 10], [100, 1000]])


@ALGORITHMS
def test_overlapping_windows_add_up_on_their_common_maximum(algorithm):
    x = Tensor(np.array([[[0.0, 5.0, 1.0, 2.0]]]), requires_grad=True)
    F.max_pool1d(x, 3, stride=1, algorithm=algorithm).backward(np.array([[[1.0, 10.0]]]))
    np.testing.assert_array_equal(x.grad, [[[0, 11, 0, 0]]])


@ALGORITHMS
def test_of_equal_maxima_only_the_first_gets_the_gradient(algorithm):
    x = Tensor(np.zeros((1, 1, 2, 2)), requires_grad=True)
    F.max_pool2d(x, 2, algorithm=algorithm).backward(np.ones((1, 1, 1, 1)))
    np.testing.assert_array_equal(x.grad[0, 0], [[1, 0], [0, 0]])


@ALGORITHMS
def test_the_gradient_of_an_average_over_a_window_that_is_not_square(algorithm):
    dx = F.avg_pool2d_input_grad(np.array([[[[6.0, 60.0]]]]), (1, 1, 2, 6), (2, 3), algorithm=algorithm)
    np.testing.assert_array_equal(dx[0, 0], [[1, 1, 1, 10, 10, 10]] * 2)


@ALGORITHMS
def test_height_and_width_are_not_swapped(algorithm):
    x = np.arange(24.0).reshape(1, 1, 4, 6)
    y = F.max_pool2d(x, (1, 4), stride=(3, 2), algorithm=algorithm)
    np.testing.assert_array_equal(y[0, 0], [[3, 5], [21, 23]])


@ALGORITHMS
def test_one_image_of_one_channel_and_none_at_all(algorithm):
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    assert F.max_pool2d(x, 2, algorithm=algorithm).tolist() == [[[[3.0]]]]
    assert F.avg_pool2d(x, 2, algorithm=algorithm).tolist() == [[[[1.5]]]]
    y, indices = F.max_pool2d(x[:0], 2, return_indices=True, algorithm=algorithm)
    assert y.shape == indices.shape == (0, 1, 1, 1)
    assert F.max_pool2d_input_grad(y, indices, (0, 1, 2, 2), 2, algorithm=algorithm).shape == (0, 1, 2, 2)
    assert F.avg_pool2d_input_grad(y, (0, 1, 2, 2), 2, algorithm=algorithm).shape == (0, 1, 2, 2)


@ALGORITHMS
def test_a_remainder_of_the_stride_is_left_out_and_gets_no_gradient(algorithm):
    x = Tensor(np.arange(7.0).reshape(1, 1, 7), requires_grad=True)
    y = F.avg_pool1d(x, 2, stride=3, algorithm=algorithm)  # windows 0–1 and 3–4; 2, 5 and 6 are in none
    np.testing.assert_array_equal(y.data, [[[0.5, 3.5]]])
    y.backward(np.array([[[2.0, 4.0]]]))
    np.testing.assert_array_equal(x.grad, [[[1, 1, 0, 2, 2, 0, 0]]])


@ALGORITHMS
def test_the_stride_is_applied_once(algorithm):
    x = np.arange(10.0).reshape(1, 1, 10)
    assert F.max_pool1d(x, 2, stride=2, algorithm=algorithm).ravel().tolist() == [1, 3, 5, 7, 9]


@ALGORITHMS
def test_what_counts_in_an_average_at_the_end(algorithm):
    # Windows of 3 at stride 2 over 1 + 4 + 1 positions start at -1, 1 and 3: the last one lies on the element at 3,
    # one padding, and one position beyond the padding, which ceil_mode alone allows.
    x, options = np.array([[[1.0, 2.0, 4.0, 8.0]]]), {"ceil_mode": True, "algorithm": algorithm}
    counted = F.avg_pool1d(x, 3, 2, 1, **options)
    np.testing.assert_allclose(counted, [[[3 / 3, 14 / 3, 8 / 2]]], rtol=1e-15)
    inside = F.avg_pool1d(x, 3, 2, 1, count_include_pad=False, **options)
    np.testing.assert_allclose(inside, [[[3 / 2, 14 / 3, 8 / 1]]], rtol=1e-15)
    overridden = F.avg_pool1d(x, 3, 2, 1, divisor_override=5, **options)
    np.testing.assert_allclose(overridden, [[[3 / 5, 14 / 5, 8 / 5]]], rtol=1e-15)


def test_adaptive_windows_of_two_sizes():
    x = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
    np.testing.assert_array_equal(F.adaptive_avg_pool1d(x, 3), [[[1.5, 3, 4.5]]])
    np.testing.assert_array_equal(F.adaptive_max_pool1d(x, 3), [[[2, 4, 5]]])
    np.testing.assert_array_equal(F.adaptive_avg_pool1d(x, 7).shape, (1, 1, 7))


@pytest.mark.parametrize("algorithm", F.pooling_algorithms())
def test_a_reversed_input_pools_as_its_copy(algorithm):
    x = np.array([[[-1.0, -2.0, -4.0, -3.0]]])[..., ::-1]  # NumPy 2.0's np.max(…, out=…) is wrong here
    assert F.max_pool1d(x, 2, algorithm=algorithm).tolist() == [[[-3, -1]]]
    assert F.global_max_pool1d(x).tolist() == [[[-1]]]
    assert F.global_max_pool2d(x[..., None, :]).tolist() == [[[[-1]]]]
