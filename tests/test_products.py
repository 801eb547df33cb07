import numpy as np
import pytest

from sevenloops import products, runtime


@pytest.fixture
def many_threads():
    before = runtime.get_num_threads()
    runtime.set_num_threads(3)
    yield
    runtime.set_num_threads(before)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 3, 7), (700, 300, 130), (130, 300, 700), (2001, 90, 151)])
@pytest.mark.usefixtures("many_threads")
def test_every_way_of_cutting_gives_the_product(shape):
    rows, inner, columns = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((rows, inner)), rng.standard_normal((inner, columns))
    expected = sum(a[:, [k]] * b[[k]] for k in range(inner))  # the definition: a sum of outer products
    np.testing.assert_allclose(products.matmul(a, b), expected, rtol=1e-12, atol=1e-11)
    out = np.full((columns, rows), np.nan).T
    products.matmul_into(np.asfortranarray(a), b[:, ::-1][:, ::-1], out)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-11)


def test_stacks_of_matrices_are_multiplied_as_numpy_does():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 1, 2, 3)), rng.standard_normal((5, 3, 6))
    assert products.matmul(a, b).shape == (4, 5, 2, 6)
    np.testing.assert_allclose(products.matmul(a, b)[3, 2], products.matmul(a[3, 0], b[2]), atol=1e-14)


def test_a_product_with_no_inner_side_is_zero():
    assert not products.matmul(np.ones((2, 0)), np.ones((0, 3))).any()


@pytest.mark.skipif(not runtime.blas_is_held(), reason="BLAS cannot be held to one thread here")
def test_blas_gets_one_thread_only(monkeypatch):
    seen = []
    held = np.matmul

    def spy(*arguments, **keywords):
        seen.extend(library.get_num_threads() for library in runtime._blas_controllers())
        return held(*arguments, **keywords)

    monkeypatch.setattr(products.np, "matmul", spy)
    products.matmul(np.ones((300, 300)), np.ones((300, 300)))
    assert set(seen) == {1}
