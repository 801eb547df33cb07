"""Views checked element by element against their definitions, and byte by byte against the memory they may read."""

import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.array_utils import byte_bounds

from sevenloops.errors import ShapeError
from sevenloops.strides import memory_map, tiles, windows


@st.composite
def owned_views(draw, min_axes=1, max_axes=4, min_length=0, dtype=np.float64):
    """An array that owns its memory, no two elements equal, and a cut, reversed, permuted or broadcast view of it."""
    axes = draw(st.integers(min_axes, max_axes))
    lengths = draw(st.lists(st.integers(min_length, 6), min_size=axes, max_size=axes))
    owner_lengths, slices = [], []
    for length in lengths:
        step, skip, rest = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(0, 2))
        forward = range(skip, skip + max(length - 1, 0) * step + 1, step)[:length]
        owner_lengths.append(skip + length * step + rest)
        if draw(st.booleans()) and length:
            last = forward[0] - 1
            slices.append(slice(forward[-1], None if last < 0 else last, -step))
        else:
            slices.append(slice(skip, skip + length * step, step))
    owner = np.arange(int(np.prod(owner_lengths)), dtype=dtype).reshape(owner_lengths)
    owner = owner.copy(order=draw(st.sampled_from("CF")))
    view = owner[tuple(slices)].transpose(draw(st.permutations(range(axes))))
    if draw(st.booleans()) and view.shape[-1]:
        view = np.broadcast_to(view[..., :1], view.shape)
    return owner, view


def assert_inside(view, base):
    """No byte that the view can reach lies outside the base."""
    if view.size:
        low, high = byte_bounds(base)
        first, last = byte_bounds(view)
        assert low <= first
        assert last <= high


# --- windows ------------------------------------------------------------------------------------------------


def window_starts(length, kernel, stride, dilation):
    """Starts of all windows inside an axis, found by trying every position."""
    return [
        start for start in range(0, length, stride) if all(start + tap * dilation < length for tap in range(kernel))
    ]


small = st.integers(1, 4)


@st.composite
def fitting(draw, length):
    """Kernel, stride and dilation of which at least one window fits into an axis."""
    kernel = draw(st.integers(1, length))
    return kernel, draw(small), draw(st.integers(1, (length - 1) // (kernel - 1) if kernel > 1 else 4))


@settings(max_examples=300)
@given(owned_views(min_length=1), st.data())
def test_windows_are_those_of_the_definition_and_stay_inside(owned, data):
    owner, x = owned
    first = data.draw(st.integers(0, x.ndim - 1))
    parameters = [data.draw(fitting(length)) for length in x.shape[first:]]
    starts = [window_starts(length, *p) for length, p in zip(x.shape[first:], parameters, strict=True)]
    kernel, stride, dilation = zip(*parameters, strict=True)
    before = x.copy()
    view = windows(x, kernel, stride, dilation)
    assert view.shape == (*x.shape[:first], *map(len, starts), *kernel)
    for index in np.ndindex(*view.shape):
        lead, position, tap = index[:first], index[first : x.ndim], index[x.ndim :]
        place = tuple(s[i] + u * d for s, i, u, d in zip(starts, position, tap, dilation, strict=True))
        assert view[index] == x[(*lead, *place)]
    assert type(view) is np.ndarray
    assert not view.flags.writeable
    assert np.shares_memory(view, owner)
    assert_inside(view, x)
    assert_inside(view, owner)
    np.testing.assert_array_equal(x, before)


@given(st.integers(0, 6), small, small, small)
def test_windows_are_refused_exactly_where_none_fits(length, kernel, stride, dilation):
    x = np.zeros((2, length))
    count = len(window_starts(length, kernel, stride, dilation))
    if count:
        assert windows(x, kernel, stride, dilation).shape == (2, count, kernel)
    else:
        with pytest.raises(ShapeError, match=f"on axis 1 .* x has {length}; use a smaller kernel"):
            windows(x, kernel, stride, dilation)


def test_one_number_is_one_axis_for_the_kernel_and_every_axis_for_stride_and_dilation():
    x = np.arange(5 * 7.0).reshape(5, 7)
    assert windows(x, 3).shape == (5, 5, 3)
    view = windows(x, (2, 3), 2, 2)
    assert view.shape == (2, 2, 2, 3)
    np.testing.assert_array_equal(view[1, 1], x[2:5:2, 2:7:2])


def test_windows_of_any_dtype_subclass_and_sequence():
    matrix = np.arange(4).view(np.recarray).reshape(2, 2)
    assert type(windows(matrix, 2)) is np.ndarray
    assert windows([1, 2, 3], 2).tolist() == [[1, 2], [2, 3]]
    assert windows(np.array(["a", None, 3], object), 2).tolist() == [["a", None], [None, 3]]
    record = np.zeros(3, [("a", "i4"), ("b", "f8")])
    assert windows(record, 2)["b"].shape == (2, 2)
    assert windows(np.arange(3, dtype=">f4"), 2).dtype == np.dtype(">f4")
    read_only = np.arange(3.0)
    read_only.flags.writeable = False
    assert windows(read_only, 2).shape == (2, 2)


def test_windows_refuse_to_be_written():
    view = windows(np.zeros(4), 2)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1


def test_windows_keep_their_memory_alive():
    assert windows(np.arange(1000.0) + 1, 3).sum() == sum(3 * i for i in range(2, 1000))


def test_steps_that_are_never_taken_may_have_any_size():
    x = np.arange(6.0)
    huge = 10**30
    np.testing.assert_array_equal(windows(x, 6, stride=huge), x[None])
    np.testing.assert_array_equal(windows(x, 1, dilation=huge), x[:, None])
    with pytest.raises(ShapeError, match="must fit"):
        windows(x, 2, dilation=huge)


def test_empty_leading_axes_have_no_windows_and_empty_sliding_axes_no_place_for_one():
    assert windows(np.zeros((0, 5)), 3).shape == (0, 3, 3)
    with pytest.raises(ShapeError, match=r"on axis 1 it covers 1 positions .* and x has 0"):
        windows(np.zeros((5, 0)), 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((1, 1, 1),), ShapeError, "3 and x has 2 axes"),
        ((0,), ShapeError, "kernel_size must be at least 1"),
        ((2, 0), ShapeError, "stride must be at least 1"),
        ((2, 1, -1), ShapeError, "dilation must be at least 1"),
        ((2, (1, 1)), ShapeError, "stride must be one integer or one per"),
        ((2.0,), TypeError, "kernel_size must be an integer"),
        (("22",), TypeError, "kernel_size must be an integer"),
        ((2, True), TypeError, "stride must be an integer"),
        (((2, 4), 1, (3, 2)), ShapeError, r"on axis 1 it covers 7 positions \(size 4, dilation 2\) and x has 6"),
    ],
)
def test_windows_say_what_is_wrong(arguments, error, message):
    with pytest.raises(error, match=message):
        windows(np.zeros((5, 6)), *arguments)


# --- tiles --------------------------------------------------------------------------------------------------


@given(owned_views(min_axes=2, max_axes=2), st.data())
def test_tiles_are_those_of_the_definition_and_stay_inside(owned, data):
    owner, a = owned
    t0, t1 = (data.draw(st.sampled_from([t for t in range(1, 7) if n % t == 0])) for n in a.shape)
    view = tiles(a, (t0, t1))
    assert view.shape == (a.shape[0] // t0, a.shape[1] // t1, t0, t1)
    for i, j, u, v in np.ndindex(*view.shape):
        assert view[i, j, u, v] == a[i * t0 + u, j * t1 + v]
    assert view.flags.writeable == a.flags.writeable
    assert view.size == 0 or np.shares_memory(view, owner)
    assert_inside(view, a)
    assert_inside(view, owner)


def test_assigning_to_a_tile_changes_the_matrix():
    a = np.zeros((4, 6))
    tiles(a, (2, 3))[1, 0] = 1
    np.testing.assert_array_equal(a, np.kron([[0, 0], [1, 0]], np.ones((2, 3))))


def test_tiles_of_a_matrix_subclass_and_of_lists():
    matrix = np.arange(4).view(np.recarray).reshape(2, 2)
    assert type(tiles(matrix, 1)) is np.ndarray
    assert tiles([[1, 2], [3, 4]], (1, 2)).tolist() == [[[[1, 2]]], [[[3, 4]]]]


@pytest.mark.parametrize(
    ("a", "tile", "error", "message"),
    [
        (np.zeros(4), 2, ShapeError, r"two axes, but its shape is \(4,\)"),
        (np.zeros((4, 6)), 4, ShapeError, "on axis 1 4 does not divide 6"),
        (np.zeros((4, 6)), (3, 2), ShapeError, "on axis 0 3 does not divide 4"),
        (np.zeros((4, 6)), 0, ShapeError, "tile must be at least 1"),
        (np.zeros((4, 6)), (2, 2, 2), ShapeError, "tile must be one integer or one per"),
        (np.zeros((4, 6)), 2.0, TypeError, "tile must be an integer"),
    ],
)
def test_tiles_say_what_is_wrong(a, tile, error, message):
    with pytest.raises(error, match=message):
        tiles(a, tile)


# --- memory_map ---------------------------------------------------------------------------------------------


def assert_elements_lie_at(offsets, view, memory):
    """The bytes of the memory at each offset are those of the element."""
    assert offsets.dtype == np.int64
    assert offsets.shape == view.shape
    for index in np.ndindex(*view.shape):
        start = int(offsets[index])
        assert start >= 0
        assert bytes(memory[start : start + view.itemsize]) == view[index].tobytes()


@given(owned_views(dtype=np.int16))
def test_every_element_lies_at_its_offset(owned):
    owner, view = owned
    assert_elements_lie_at(memory_map(view), view, owner.tobytes(order="A"))


@given(owned_views(max_axes=3, min_length=2, dtype=np.int16), st.data())
def test_every_element_of_a_window_lies_at_its_offset(owned, data):
    owner, x = owned
    slid = windows(x, 2)[..., ::-1]  # a view of what as_strided made
    assert_elements_lie_at(memory_map(slid), slid, owner.tobytes(order="A"))
    twice = windows(windows(x, 2), 2)
    assert_elements_lie_at(memory_map(twice), twice, owner.tobytes(order="A"))


def test_offsets_in_memory_of_other_objects(tmp_path):
    content = bytes(range(64))
    for buffer in (content, bytearray(content), memoryview(content)):
        view = np.frombuffer(buffer, np.int16, offset=4).reshape(5, 6)[::-2, 1:]
        assert_elements_lie_at(memory_map(view), view, content)
    part = np.frombuffer(memoryview(content)[8:], np.int16)[::-1]
    assert_elements_lie_at(memory_map(part), part, content[8:])
    reversed_buffer = np.asarray(memoryview(content)[::-1])  # not contiguous: counts from its lowest byte
    assert_elements_lie_at(memory_map(reversed_buffer), reversed_buffer, content)

    path = tmp_path / "content"
    path.write_bytes(content)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = np.frombuffer(mapped, np.int32)[3::-1]
        assert_elements_lie_at(memory_map(view), view, content)
        del view
    lazy = np.memmap(path, np.int16, mode="r", offset=6, shape=(4, 5))
    assert_elements_lie_at(memory_map(lazy.T), lazy.T, content)
    del lazy


def test_offsets_where_another_object_only_says_where_its_array_is():
    class Holder:
        def __init__(self, array):
            self.array = array
            self.__array_interface__ = array.__array_interface__

    content = np.arange(8, dtype=np.int16)
    for lent in (np.asarray(Holder(content)), np.from_dlpack(content)):
        assert not lent.flags.owndata
        assert memory_map(lent[2::2]).tolist() == [4, 8, 12]


def test_offsets_of_a_field_a_scalar_and_nothing():
    records = np.zeros(3, [("a", "i4"), ("b", "f8")])
    assert memory_map(records["b"]).tolist() == [4, 16, 28]
    assert memory_map(np.ones(())).tolist() == 0
    assert memory_map(np.zeros((3, 0))).shape == (3, 0)
    assert memory_map(np.zeros((2, 3))[::-1, 3:]).dtype == np.int64


@pytest.mark.parametrize("value", [[1, 2], 3.0, memoryview(b"12")])
def test_only_arrays_have_offsets(value):
    with pytest.raises(TypeError, match=f"view must be a NumPy array.*{type(value).__name__}"):
        memory_map(value)
