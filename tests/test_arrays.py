import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.arrays import DTYPES, compute_dtype, float_array, float_arrays, float_dtype, named_dtype, narrow

FLOATS = ("float16", "float32", "float64")


class Subclass(np.ndarray):
    pass


def unaligned(array):
    """The same numbers one byte off, with the same order of the axes in memory."""
    order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
    inner = array.transpose(order)
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(inner.shape)
    raw[...] = inner
    result = raw.transpose(np.argsort(order))
    assert not result.flags.aligned
    return result


def order_of_axes(array):
    return sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))


def test_dtypes():
    assert [dtype.name for dtype in DTYPES] == list(FLOATS)


# --- one array ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a,
        lambda a: a[::-1, ::2],
        lambda a: a.T,
        lambda a: np.broadcast_to(a, (5, *a.shape)),
        lambda a: a[:0],
        lambda a: a[1, 2, ...],
    ],
    ids=["plain", "sliced", "fortran", "broadcast", "empty", "no axes"],
)
def test_arrays_are_taken_as_they_are(dtype, change):
    array = change(np.arange(24, dtype=dtype).reshape(4, 6))
    assert float_array("x", array) is array


def test_read_only_arrays_stay_read_only():
    array = np.ones(3)
    array.flags.writeable = False
    assert float_array("x", array) is array


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("order", ["<", ">"])
def test_byte_order_becomes_native(dtype, order):
    array = np.arange(6).reshape(2, 3).astype(np.dtype(dtype).newbyteorder(order))
    result = float_array("x", array)
    assert result.dtype == dtype
    assert result.dtype.isnative
    assert (result is array) == array.dtype.isnative
    np.testing.assert_array_equal(result, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("dtype", FLOATS)
def test_unaligned_arrays_are_copied(dtype):
    array = unaligned(np.arange(6, dtype=dtype).reshape(2, 3))
    result = float_array("x", array)
    assert result.flags.aligned
    assert not np.shares_memory(result, array)
    np.testing.assert_array_equal(result, [[0, 1, 2], [3, 4, 5]])


@given(order=st.permutations(range(4)), swapped=st.booleans())
def test_a_copy_keeps_the_order_of_the_axes_in_memory(order, swapped):
    """Channels-last memory must stay so, or the result would come in another order than the input."""
    array = np.arange(120.0).reshape(2, 3, 4, 5).transpose(np.argsort(order))
    array = unaligned(array).astype(array.dtype.newbyteorder()) if swapped else unaligned(array)
    result = float_array("x", array)
    assert result is not array
    assert order_of_axes(result) == order_of_axes(array) == list(order)
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("value", [[1.0, 2.5], (1.0, 2.5), [np.float64(1), 2.5], np.array([1, 2.5]).view(Subclass)])
def test_array_likes_become_arrays(value):
    result = float_array("x", value)
    assert type(result) is np.ndarray
    assert result.dtype == np.float64
    assert result.tolist() == [1.0, 2.5]


def test_subclasses_lose_their_ways_but_share_memory():
    matrix = np.ones((2, 3)).view(Subclass)
    result = float_array("x", matrix)
    assert type(result) is np.ndarray
    assert np.shares_memory(result, matrix)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "make", [lambda d: np.array(2.5, d), lambda d: np.dtype(d).type(2.5)], ids=["array", "scalar"]
)
def test_no_axes(dtype, make):
    result = float_array("x", make(dtype))
    assert type(result) is np.ndarray
    assert (result.shape, result.dtype, float(result)) == ((), dtype, 2.5)


REFUSED = {
    "int64": np.ones(2, np.int64),
    "uint8": np.ones(2, np.uint8),
    "bool": np.ones(2, bool),
    "complex64": np.ones(2, np.complex64),
    ">i4": np.ones(2, np.dtype(np.int32).newbyteorder()),
    "object": None,
    "<U1": ["a", "b"],
    "datetime64[D]": np.ones(2, "datetime64[D]"),
    "StringDType()": np.array(["a"], np.dtypes.StringDType()),
}
if np.dtype(np.longdouble) != np.float64:  # they are the same on some platforms
    REFUSED[str(np.dtype(np.longdouble))] = np.ones(2, np.longdouble)


@pytest.mark.parametrize("name", REFUSED)
def test_other_dtypes_are_refused_with_the_remedy(name):
    value = REFUSED[name]
    dtype = re.escape(str(np.asarray(value).dtype))
    with pytest.raises(
        TypeError,
        match=rf"^weight must be a float16.*but its dtype is {dtype}; .*weight\.astype\(numpy\.float32\)\.$",
    ):
        float_array("weight", value)


def test_lists_of_integers_are_refused():
    with pytest.raises(TypeError, match=r"int64|int32"):
        float_array("x", [1, 2])


# --- several arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_dtype_for_all(dtype):
    x, weight = np.ones(2, dtype), np.ones((2, 2), np.dtype(dtype).newbyteorder())
    result = float_arrays(x=x, weight=weight, bias=None)
    assert result[0] is x
    assert result[1].dtype == dtype
    assert result[1].dtype.isnative
    assert result[2] is None


@given(dtypes=st.lists(st.sampled_from([*FLOATS, None]), max_size=4))
def test_two_dtypes_are_refused_with_all_of_them(dtypes):
    values = {f"array_{i}": None if d is None else np.ones(2, d) for i, d in enumerate(dtypes)}
    given_dtypes = [(name, value.dtype.name) for name, value in values.items() if value is not None]
    if len({dtype for _, dtype in given_dtypes}) <= 1:
        assert all(result is value for result, value in zip(float_arrays(**values), values.values(), strict=True))
        return
    with pytest.raises(TypeError, match=r"^All arrays of a call must share one dtype") as caught:
        float_arrays(**values)
    message = str(caught.value)
    assert ", ".join(f"{name} is {dtype}" for name, dtype in given_dtypes) in message
    culprit, wanted = message.split("for example ")[1].removesuffix(").").split(".astype(numpy.")
    assert wanted in [dtype for name, dtype in given_dtypes if name != culprit]
    assert wanted != dict(given_dtypes)[culprit]


@pytest.mark.parametrize(
    ("dtypes", "remedy"),
    [
        ("x=float64 weight=float32 bias=float32", "x.astype(numpy.float32)"),
        ("x=float16 weight=float32 bias=float32", "x.astype(numpy.float32)"),
        ("x=float32 weight=float32 bias=float64", "bias.astype(numpy.float32)"),
        ("input=float32 target=float64", "target.astype(numpy.float32)"),
        ("x=float64 weight=float32", "x.astype(numpy.float32)"),
    ],
)
def test_the_odd_one_out_is_to_be_converted_or_else_the_widest(dtypes, remedy):
    values = {name: np.ones(2, dtype) for name, dtype in (entry.split("=") for entry in dtypes.split())}
    with pytest.raises(TypeError, match=re.escape(f"convert one, for example {remedy}.")):
        float_arrays(**values)


# --- names of dtypes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_float_dtypes_have_several_names(dtype):
    for name in (dtype, np.dtype(dtype), getattr(np, dtype)):
        assert float_dtype(name) == named_dtype(name) == np.dtype(dtype)


@pytest.mark.parametrize("function", [named_dtype, float_dtype])
@pytest.mark.parametrize("bad", [None, "cuda", "cpu", 3])
def test_what_is_no_dtype_is_refused(function, bad):
    with pytest.raises(TypeError, match=f"^dtype must be a dtype of NumPy, but got {bad!r}; there is no device"):
        function(bad)


def test_integers_are_a_dtype_and_no_float_dtype():
    assert named_dtype(int) == np.int64
    with pytest.raises(TypeError, match="dtype must be float16, float32 or float64, but got int64"):
        float_dtype(int)


def test_each_array_is_checked_by_its_name():
    with pytest.raises(TypeError, match=r"^bias must be .* int64"):
        float_arrays(x=np.ones(2), bias=np.ones(2, np.int64))


@pytest.mark.parametrize(("dtype", "wide"), [("float16", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_compute_dtype(dtype, wide):
    assert compute_dtype(np.dtype(dtype)) == np.dtype(wide)


def test_narrow_makes_infinity_of_what_half_precision_cannot_hold_and_warns_of_nothing():
    wide = np.array([1.0, 1e6, -1e6, np.nan], np.float32)
    np.testing.assert_array_equal(
        narrow(wide, np.dtype(np.float16)), np.array([1, np.inf, -np.inf, np.nan], np.float16)
    )
    assert narrow(wide, wide.dtype) is wide
