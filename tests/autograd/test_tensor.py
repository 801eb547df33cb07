"""Tensor itself: what it accepts and shows, and the checks of `backward`."""

import copy
import operator
import pickle

import numpy as np
import pytest

import sevenloops as sl
from sevenloops.autograd import Operation, apply

DOUBLE = Operation("double", lambda x: (x * 2, None), lambda grad, saved, needs: (grad * 2,))
FLOATS = (np.float16, np.float32, np.float64)


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_arrays_are_shared(dtype):
    data = np.arange(6, dtype=dtype).reshape(2, 3)
    x = sl.Tensor(data, requires_grad=True)
    assert x.data is data
    assert x.numpy() is data
    assert (x.shape, x.dtype, x.ndim, x.size, len(x)) == ((2, 3), dtype, 2, 6, 2)
    assert x.requires_grad
    assert x.is_leaf
    assert x.grad is None


def test_lists_and_numbers_become_arrays():
    assert sl.Tensor([[1.0, 2.0]]).dtype == np.float64
    assert sl.Tensor(2.5).shape == ()
    assert sl.Tensor(sl.Tensor([1.0])).data.tolist() == [1.0]


def test_foreign_byte_order_and_alignment_are_converted():
    swapped = np.arange(3.0).astype(np.dtype(np.float64).newbyteorder())
    assert sl.Tensor(swapped).dtype.isnative
    assert sl.Tensor(np.arange(3).astype(np.dtype(np.int32).newbyteorder())).dtype.isnative
    unaligned = np.zeros(25, np.uint8)[1:].view(np.float64)
    assert sl.Tensor(unaligned).data.flags.aligned


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.zeros(3, np.uint8)])
def test_labels_are_allowed_without_a_gradient(data):
    assert not sl.Tensor(data).requires_grad
    with pytest.raises(TypeError, match=r"can require a gradient, but this one is .*; convert"):
        sl.Tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match="can require a gradient"):
        sl.Tensor(data).requires_grad_()


@pytest.mark.parametrize("data", [[1j], ["a"], [None], [object()]])
def test_other_dtypes_are_refused(data):
    with pytest.raises(TypeError, match="float16, float32 or float64"):
        sl.Tensor(data)


def test_item_and_numbers():
    assert sl.Tensor([[3.0]]).item() == 3.0
    assert type(sl.Tensor(np.float32(3)).item()) is float
    assert float(sl.Tensor([3.5])) == 3.5
    assert int(sl.Tensor([3.5])) == 3
    with pytest.raises(sl.errors.ShapeError, match=r"exactly one element, but the shape is \(2,\)"):
        sl.Tensor([1.0, 2.0]).item()


def test_truth_is_the_value_and_not_the_length():
    assert not sl.Tensor([0.0])
    assert sl.Tensor(1.0)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(sl.Tensor([1.0, 2.0]))


def test_no_length_without_axes():
    with pytest.raises(TypeError, match="no length"):
        len(sl.Tensor(1.0))


def test_numpy_takes_its_values_but_not_its_place():
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    assert np.asarray(x) is x.data
    assert np.array(x) is not x.data
    assert np.asarray(x, np.float32).dtype == np.float32
    assert isinstance(np.ones(2) + x, sl.Tensor)
    assert isinstance(np.float64(2) * x, sl.Tensor)
    assert isinstance(np.ones((2, 2)) @ x, sl.Tensor)
    with pytest.raises(TypeError, match="ufunc"):
        np.exp(x)
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(x, np.float32, copy=False)


@pytest.mark.parametrize("call", [
    lambda x: np.concatenate([x, x]), lambda x: np.sum(x), lambda x: np.linalg.norm(x), lambda x: np.mean(a=x),
    lambda x: np.where(True, x, 0), lambda x: np.split(x, 2),
])  # fmt: skip
def test_numpys_functions_do_not_lose_gradients(call):
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(
        TypeError, match=r"numpy\.\w+ knows no gradients, but a Tensor among its arguments requires one"
    ):
        call(x)
    call(x.detach())


def test_numpys_functions_answer_questions():
    x = sl.Tensor([[1.0, 2.0]], requires_grad=True)
    assert np.shape(x) == (1, 2)
    assert np.array_equal(x, x.data)
    assert np.argmax(x) == 1
    assert np.allclose(x, [1, 2])
    assert type(np.concatenate([x.detach(), x.detach()])) is np.ndarray


def test_writing_into_a_tensor_is_refused():
    for x in (sl.Tensor([1.0, 2.0], requires_grad=True), sl.Tensor([1.0, 2.0])):
        with pytest.raises(TypeError, match="cannot be written into"):
            x[0] = 3.0
        assert x.tolist() == [1, 2]


@pytest.mark.parametrize("operate", [operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ipow])
def test_in_place_operators_make_new_results_but_leave_no_leaf_behind(operate):
    """The step ``p -= rate * p.grad`` of PyTorch would change nothing here."""
    leaf = sl.Tensor([2.0], requires_grad=True)
    for mode in (sl.no_grad, sl.enable_grad):
        with (
            mode(),
            pytest.raises(
                RuntimeError, match=r"would leave this leaf, .* as it is; .* write tensor\.data \S+= \.\.\."
            ),
        ):
            operate(leaf, 2.0)
    hidden = result = leaf * 1.0
    result = operate(result, 2.0)
    assert result is not hidden
    assert hidden.tolist() == [2.0]
    constant = sl.Tensor([2.0])
    assert operate(constant, 2.0).item() == result.item()
    assert constant.item() == 2.0
    result.sum().backward()
    assert leaf.grad.shape == (1,)


def test_iteration():
    assert [row.tolist() for row in sl.Tensor([[1.0], [2.0]])] == [[1.0], [2.0]]
    assert list(sl.Tensor(np.zeros((0, 2)))) == []
    with pytest.raises(TypeError, match="without axes cannot be iterated over"):
        list(sl.Tensor(1.0))


def test_integers_are_indices_of_lists():
    assert ["cat", "dog"][sl.Tensor([0.1, 0.9]).argmax()] == "dog"
    assert list(range(sl.Tensor(3))) == [0, 1, 2]
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        ["cat"][sl.Tensor(0.0)]
    with pytest.raises(TypeError, match=r"Only a Tensor of one integer can be an index, but the shape is \(2,\)"):
        ["cat"][sl.Tensor([0, 0])]


def test_membership_asks_for_an_element():
    x = sl.Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3 in x
    assert sl.Tensor(4.0) in x
    assert 5 not in x


def test_numbers_of_elements_and_axes_and_formats():
    x = sl.Tensor([[1.0, 2.0, 3.0]])
    assert (x.numel(), x.dim()) == (3, 2)
    assert x.tolist() == [[1.0, 2.0, 3.0]]
    assert f"{sl.Tensor(1.23456):.3f}" == "1.235"
    assert f"{x}" == repr(x)


def test_repr():
    x = sl.Tensor(np.array([1, 2], np.float32), requires_grad=True)
    assert repr(x) == "Tensor([1., 2.], dtype=float32, requires_grad=True)"
    assert repr(x.detach()) == "Tensor([1., 2.], dtype=float32)"
    assert repr(apply(DOUBLE, x)) == "Tensor([2., 4.], dtype=float32, made by double)"


def test_detach_shares_memory_and_has_no_history():
    x = sl.Tensor([1.0], requires_grad=True)
    y = apply(DOUBLE, x)
    detached = y.detach()
    assert detached.data is y.data
    assert not detached.requires_grad
    assert detached.is_leaf
    assert not y.is_leaf


def test_leaves_copy_and_pickle_and_results_do_not():
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    x.grad = np.array([3.0, 4.0])
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert other.requires_grad
        assert other.grad.tolist() == [3.0, 4.0]
        assert not np.shares_memory(other.data, x.data)
    with pytest.raises(RuntimeError, match=r"result of double; use \.detach"):
        copy.deepcopy(apply(DOUBLE, x))


def test_requires_grad_is_switched_on_leaves_only():
    x = sl.Tensor([1.0], requires_grad=True)
    y = apply(DOUBLE, x)
    with pytest.raises(RuntimeError, match=r"only be switched off on leaves, .* double; use \.detach"):
        y.requires_grad = False
    y.requires_grad = True
    x.requires_grad = False
    assert not apply(DOUBLE, x).requires_grad
    assert x.requires_grad_() is x
    assert x.requires_grad


# --- gradients of results ------------------------------------------------------------------------------------------


def test_results_keep_their_gradients_where_asked():
    x = sl.Tensor([1.0, 2.0], requires_grad=True)
    y, z = apply(DOUBLE, x), apply(DOUBLE, x)
    for tensor in (x, y, z):
        tensor.retain_grad()
    total = y * z
    total.backward(np.ones(2), retain_graph=True)
    assert y.grad.tolist() == z.grad.tolist() == [2.0, 4.0]
    total.backward(np.ones(2))
    assert y.grad.tolist() == [4.0, 8.0]
    assert x.grad.tolist() == [16.0, 32.0]
    y.grad[:] = 0
    assert z.grad.tolist() == [4.0, 8.0]
    assert total.grad is None
    with pytest.raises(RuntimeError, match="needs a Tensor that requires a gradient"):
        x.detach().retain_grad()


def test_a_result_that_is_gone_keeps_nothing():
    x = sl.Tensor([1.0], requires_grad=True)
    y = apply(DOUBLE, x)
    y.retain_grad()
    z = apply(DOUBLE, y)
    del y
    z.backward()
    assert x.grad.tolist() == [4.0]


# --- backward -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
@pytest.mark.parametrize("dtype", FLOATS)
def test_one_element_needs_no_cotangent(shape, dtype):
    x = sl.Tensor(np.ones(shape, dtype), requires_grad=True)
    apply(DOUBLE, x).backward()
    assert x.grad.shape == shape
    assert x.grad.dtype == dtype
    assert float(x.grad.sum()) == 2


@pytest.mark.parametrize("g", [[1.0, 3.0], np.array([1, 3], np.float32), sl.Tensor(np.array([1, 3], np.float32))])
def test_cotangents(g):
    x = sl.Tensor(np.ones(2, np.float32), requires_grad=True)
    apply(DOUBLE, x).backward(g)
    assert x.grad.tolist() == [2.0, 6.0]
    assert x.grad.dtype == np.float32


def test_wrong_cotangents_are_one_sentence():
    x = sl.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = apply(DOUBLE, x)
    with pytest.raises(sl.errors.ShapeError, match=r"one element, but its shape is \(2, 3\); pass backward\(g\)"):
        y.backward()
    with pytest.raises(sl.errors.ShapeError, match=r"g has \(3, 2\) and the Tensor \(2, 3\)"):
        y.backward(np.ones((3, 2), np.float32))
    with pytest.raises(TypeError, match=r"g is float64 and the Tensor float32; convert it with g\.astype"):
        y.backward(np.ones((2, 3)))
    y.backward(np.ones((2, 3), np.float32))  # the graph has survived the mistakes


def test_backward_needs_something_to_differentiate():
    for x in (sl.Tensor([1.0]), apply(DOUBLE, sl.Tensor([1.0]))):
        with pytest.raises(RuntimeError, match="needs a Tensor that requires a gradient"):
            x.backward()


# --- what there is not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add_", "zero_", "copy_"])
def test_methods_that_compute_in_place_say_what_to_write_instead(name):
    x = sl.Tensor([1.0])
    with pytest.raises(AttributeError, match=f"no attribute '{name}', since nothing is computed in place; write"):
        getattr(x, name)
    assert not hasattr(x, name)


@pytest.mark.parametrize("name", ["missing", "_hidden_", "__array_interface__"])
def test_other_attributes_are_missed_as_everywhere(name):
    with pytest.raises(AttributeError, match=f"^'Tensor' object has no attribute '{name}'$"):
        getattr(sl.Tensor([1.0]), name)
