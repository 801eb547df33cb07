"""FLOPs of operations, against counts of the terms in their definitions."""

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Tensor
from sevenloops.nn import hooks
from sevenloops.nn.flops import _TABLE, backward_flops, forward_flops
from tests.helpers.gradients import all_operations


def t(*shape, requires_grad=True):
    return Tensor(np.ones(shape), requires_grad=requires_grad)


@pytest.mark.parametrize(("result", "flops", "backward"), [
    # each of 2·6·3·4 outputs is a sum of 2·(3·2) products
    (lambda: sl.conv2d(t(2, 4, 5, 5), t(6, 2, 3, 2), groups=2), 2 * (2 * 6 * 3 * 4) * (2 * 6), 2),
    (lambda: sl.conv2d(t(2, 4, 5, 5, requires_grad=False), t(6, 4, 5, 5), t(6)), 2 * (2 * 6) * 100, 1),
    # each of 2·4·5 inputs goes into 6·3 products
    (lambda: sl.conv_transpose1d(t(2, 4, 5), t(4, 6, 3), stride=2), 2 * (2 * 4 * 5) * (6 * 3), 2),
    (lambda: sl.linear(t(7, 2, 3), t(4, 3), t(4)), 2 * (7 * 2 * 4) * 3, 2),
    (lambda: t(5, 4, 3) @ t(3, 2), 2 * (5 * 4 * 2) * 3, 2),
    (lambda: t(4, 3) @ t(3), 2 * 4 * 3, 2),
    (lambda: t(3) @ t(3, requires_grad=False), 2 * 3, 1),
    (lambda: sl.einsum("nij,jk->ik", t(5, 4, 3), t(3, 2)), 2 * 5 * 4 * 3 * 2, 2),
    (lambda: sl.max_pool2d(t(1, 2, 7, 7), 3, 2), 2 * 9 * 9, 1),
    (lambda: sl.adaptive_avg_pool2d(t(1, 2, 7, 7), 1), 2 * 49, 1),
    (lambda: sl.batch_norm(t(2, 3, 4), None, None, training=True), 6 * 24, 1),
    (lambda: sl.relu(t(2, 3)), 6, 1),
    (lambda: t(2, 1) + t(1, 3), 6, 1),
    (lambda: t(2, 3).sum(), 6, 1),
    (lambda: t(2, 3).reshape(6), 0, 1),
    (lambda: sl.softmax(t(2, 3), 1), 24, 1),
])  # fmt: skip
def test_counts(result, flops, backward):
    node = result().node
    assert forward_flops(node) == flops
    assert backward_flops(node) == backward * flops


def test_the_table_names_operations_that_exist():
    known = {operation.name for operation in (*all_operations(), hooks.HOOK_GATE, hooks.HOOK_EXIT)}
    assert set(_TABLE) <= known
