"""Pooling against PyTorch, in float64 and contiguous memory: values, indices and gradients."""

import numpy as np
import pytest

from sevenloops import functional as F
from sevenloops.autograd import Tensor
from tests.helpers.pooling import seeded_adaptive_cases, seeded_pool_cases

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers

MAX_CASES = list(seeded_pool_cases(400, seed=1, dilated=True))
AVG_CASES = list(seeded_pool_cases(400, seed=2, dilated=False))
ADAPTIVE_CASES = list(seeded_adaptive_cases(300, seed=3))


def both(name, axes):
    return getattr(F, f"{name}_pool{axes}d"), getattr(torch.nn.functional, f"{name}_pool{axes}d")


def symmetric(case):
    return {**case.parameters, "padding": tuple(before for before, _ in case.padding)}


def has_nothing(windows):
    """Whether each window sees padding only, shaped like a plane of the output."""
    result = np.zeros((), bool)
    for axis in windows:
        result = np.logical_or.outer(result, [not window.inside for window in axis])
    return result


def compare(case, ours, theirs, arguments, parameters, indexed=False):
    """Compare a pooling and its gradient for a random cotangent."""
    data, grad = case.x(), case.grad()
    x, y = Tensor(data, requires_grad=True), torch.from_numpy(data.copy()).requires_grad_()
    mine, other = ours(x, *arguments, **parameters), theirs(y, *arguments, **parameters)
    if indexed:
        (mine, my_indices), (other, other_indices) = mine, other
        np.testing.assert_array_equal(my_indices, other_indices.numpy())
    np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=1e-12)
    mine.backward(grad)
    other.backward(torch.from_numpy(grad.copy()))
    np.testing.assert_allclose(x.grad, y.grad.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", MAX_CASES, ids=range(len(MAX_CASES)))
def test_max_pooling(case):
    ours, theirs = both("max", case.axes)
    parameters = {**symmetric(case), "dilation": case.dilation, "return_indices": True}
    nothing = has_nothing(case.windows)
    if not nothing.any():
        compare(case, ours, theirs, (case.kernel,), parameters, indexed=True)
    awkward = case.awkward_x()
    y, indices = ours(awkward, case.kernel, **parameters)
    expected, places = theirs(torch.from_numpy(awkward), case.kernel, **parameters)
    np.testing.assert_array_equal(y, expected.numpy())
    # A window that sees padding only has an index outside the plane there.
    np.testing.assert_array_equal(indices[..., ~nothing], places.numpy()[..., ~nothing])
    assert (indices[..., nothing] == -1).all()


@pytest.mark.parametrize("case", AVG_CASES, ids=range(len(AVG_CASES)))
def test_average_pooling(case):
    ours, theirs = both("avg", case.axes)
    parameters = symmetric(case)
    compare(case, ours, theirs, (case.kernel,), parameters)
    compare(case, ours, theirs, (case.kernel,), {**parameters, "count_include_pad": False})
    if case.axes > 1:
        compare(case, ours, theirs, (case.kernel,), {**parameters, "divisor_override": -3})


@pytest.mark.parametrize("case", ADAPTIVE_CASES, ids=range(len(ADAPTIVE_CASES)))
def test_adaptive_pooling(case):
    compare(case, *both("adaptive_avg", case.axes), (case.output_size,), {})
    ours, theirs = both("adaptive_max", case.axes)
    compare(case, ours, theirs, (case.output_size,), {"return_indices": True}, indexed=True)
    awkward = case.awkward_x()
    y, indices = ours(awkward, case.output_size, return_indices=True)
    expected, places = theirs(torch.from_numpy(awkward), case.output_size, return_indices=True)
    np.testing.assert_array_equal(y, expected.numpy())
    np.testing.assert_array_equal(indices, places.numpy())
