import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Tensor
from sevenloops.errors import ShapeError
from sevenloops.nn import init


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3), (20, 2, 3), (1, 1), (1, 9)])
@pytest.mark.parametrize("gain", [1, 2**0.5, -3])
def test_the_shorter_side_is_orthonormal(shape, gain):
    weight = init.orthogonal_(np.zeros(shape), gain, rng=0).reshape(shape[0], -1)
    product = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-13)


def test_all_orthogonal_matrices_are_equally_probable():
    """Then so are Q and S·Q, for any signs S: elements have mean 0 and variance 1/n, and both determinants occur."""
    samples = np.stack([init.orthogonal_(np.zeros((3, 3)), rng=seed) for seed in range(2000)])
    assert np.abs(samples.mean(0)).max() < 4 / np.sqrt(3 * 2000)
    np.testing.assert_allclose(samples.var(0), 1 / 3, rtol=0.1)
    assert 0.45 < (np.linalg.det(samples) > 0).mean() < 0.55


def test_orthogonal_weights_keep_lengths_through_many_layers():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 64))
    y = x
    for _ in range(50):
        y = y @ init.orthogonal_(np.zeros((64, 64)), rng=rng).T
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1))


def test_dtypes_tensors_and_what_is_empty():
    weight = init.orthogonal_(Tensor(np.zeros((4, 6), np.float32), requires_grad=True), rng=0)
    np.testing.assert_array_equal(weight.data, init.orthogonal_(np.zeros((4, 6)), rng=0).astype(np.float32))
    fortran = init.orthogonal_(np.zeros((4, 6), order="F"), rng=0)
    np.testing.assert_array_equal(fortran, init.orthogonal_(np.zeros((4, 6)), rng=0))
    assert init.orthogonal_(np.zeros((0, 3))).shape == (0, 3)


def test_the_identity():
    x = np.random.default_rng(0).standard_normal((2, 3))
    np.testing.assert_array_equal(sl.linear(x, init.eye_(np.ones((3, 3)))), x)
    assert init.eye_(np.ones((2, 3))).tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(("axes", "groups", "outputs"), [(1, 1, 4), (2, 1, 6), (2, 2, 4), (3, 4, 4), (2, 2, 8)])
def test_a_dirac_convolution_keeps_its_input(axes, groups, outputs):
    x = np.random.default_rng(0).standard_normal((2, 4, 6, 5, 4)[: axes + 2])
    weight = init.dirac_(np.ones((outputs, 4 // groups, *(3, 5, 1)[:axes])), groups)
    y = getattr(sl, f"conv{axes}d")(x, weight, padding="same", groups=groups)
    each = outputs // groups
    for output in range(outputs):
        channel = output % each
        if channel < 4 // groups:
            np.testing.assert_allclose(y[:, output], x[:, output // each * (4 // groups) + channel], rtol=1e-12)
        else:
            assert not y[:, output].any()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: init.orthogonal_(np.zeros(3)), r"at least 2 axes .* \(3,\)"),
    (lambda: init.eye_(np.zeros((3, 3, 3))), "needs a matrix"),
    (lambda: init.dirac_(np.zeros((3, 3))), "convolution's weight"),
    (lambda: init.dirac_(np.zeros((3, 3, 3)), 2), "2 does not divide 3"),
    (lambda: init.dirac_(np.zeros((3, 3, 3)), 0), "groups must be at least 1"),
])  # fmt: skip
def test_wrong_shapes(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
    with pytest.raises(ValueError, match="gain must be finite"):
        init.orthogonal_(np.zeros((3, 3)), np.nan)
