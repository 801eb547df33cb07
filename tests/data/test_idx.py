import gzip
import itertools
import struct
import tracemalloc
import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data import read_idx, write_idx
from sevenloops.errors import DataError, ShapeError
from tests.helpers.damage import attempt, is_one_sentence_about, mutate
from tests.helpers.real_data import real_data

# The format's codes, and how struct writes one big-endian element of each.
FORMATS = {
    "uint8": (0x08, ">B"),
    "int8": (0x09, ">b"),
    "int16": (0x0B, ">h"),
    "int32": (0x0C, ">i"),
    "float32": (0x0D, ">f"),
    "float64": (0x0E, ">d"),
}


def encode(array):
    """The bytes of an idx file, from the definition, element by element."""
    code, element = FORMATS[array.dtype.name]
    content = bytes([0, 0, code, array.ndim])
    for length in array.shape:
        content += struct.pack(">I", length)
    for index in itertools.product(*map(range, array.shape)):
        content += struct.pack(element, array[index].item())
    return content


def arrays():
    shapes = hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4)
    return st.sampled_from(sorted(FORMATS)).flatmap(
        lambda dtype: hnp.arrays(dtype, shapes, elements={"allow_nan": False} if "f" in dtype else None)
    )


@given(array=arrays(), order=st.sampled_from("CF"), swap=st.booleans(), flip=st.booleans(), packed=st.booleans())
def test_both_directions_follow_the_format(tmp_path_factory, array, order, swap, flip, packed):
    given_array = np.array(array, array.dtype.newbyteorder("S" if swap else "="), order=order)
    if flip:
        given_array, array = given_array[::-1], array[::-1]
    before = given_array.copy()
    path = tmp_path_factory.getbasetemp() / ("array.gz" if packed else "array")
    write_idx(path, given_array)
    content = path.read_bytes()
    assert (gzip.decompress(content) if packed else content) == encode(array)
    np.testing.assert_array_equal(given_array, before)
    result = read_idx(path)
    assert result.dtype == array.dtype
    assert result.dtype.isnative
    assert result.flags.writeable
    assert result.flags.c_contiguous
    assert result.flags.aligned
    np.testing.assert_array_equal(result, array)


def test_compression_is_seen_from_the_content(tmp_path):
    array = np.arange(12, dtype=np.int16).reshape(3, 4)
    write_idx(tmp_path / "a.gz", array)
    (tmp_path / "packed").write_bytes((tmp_path / "a.gz").read_bytes())
    (tmp_path / "plain.gz").write_bytes(encode(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "packed"), array)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "plain.gz")), array)


def test_large_arrays_of_several_pieces(tmp_path):
    array = np.random.default_rng(0).integers(-(2**31), 2**31, (3, 700, 301), dtype=np.int32)
    for name in ("big", "big.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(read_idx(tmp_path / name), array)


def test_the_gzip_header_holds_no_time_and_no_name(tmp_path):
    array = np.arange(1000, dtype=np.uint8)
    contents = []
    for name in ("one.gz", "another.gz"):
        write_idx(tmp_path / name, array)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    magic, method, flags, mtime, _, system = struct.unpack("<2sBBIBB", contents[0][:10])
    assert (magic, method, flags, mtime, system) == (b"\x1f\x8b", 8, 0, 0, 255)


def test_what_the_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(TypeError, match="int64"):
        write_idx(tmp_path / "a", np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="bool"):
        write_idx(tmp_path / "a", np.zeros(3, bool))
    with pytest.raises(ShapeError, match="at least one axis"):
        write_idx(tmp_path / "a", np.float32(1))
    assert not (tmp_path / "a").exists()


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "absent")


GOOD = encode(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\0" + b"\1",  # no axis
        b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"\1",  # more axes than NumPy has
        b"\0\0\x0a\1" + b"\0\0\0\1" + b"\1",  # no such dtype
        b"\0\1" + GOOD[2:],
        b"\1" + GOOD[1:],
        GOOD[:14],  # within the lengths
        GOOD[:-1],
        GOOD + b"\0",
        b"\0\0\x0e\2" + b"\xff" * 8,  # more bytes than an address can name
        b"\0\0\x08\4" + b"\xff" * 12 + b"\0" * 4,  # empty, but of too large a product
        b"\0\0\x0e\3" + b"\x7f\xff\xff\xff" * 2 + b"\0" * 4,  # the same, for its eight bytes per element
        b"\x1f\x8b",
        b"\x1f\x8b\x08 and no more of gzip",
        gzip.compress(GOOD, mtime=0)[:-1],
        gzip.compress(GOOD, mtime=0)[:-8],
        gzip.compress(GOOD, mtime=0)[:-8] + bytes(8),  # a wrong checksum
        gzip.compress(GOOD, mtime=0) + b"more",
        gzip.compress(GOOD + b"\0", mtime=0),
        gzip.compress(GOOD[:-1], mtime=0),
        gzip.compress(b"", mtime=0),
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_damage_is_named_in_one_sentence(tmp_path, content):
    path = tmp_path / "digits-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert is_one_sentence_about(caught.value, path), caught.value


@pytest.mark.parametrize("packed", [False, True])
def test_thousands_of_mutations_parse_or_raise_data_error(tmp_path, packed):
    good = encode(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    good = gzip.compress(good, mtime=0) if packed else good
    path = tmp_path / "mutated"
    parsed = refused = 0
    tracemalloc.start()
    for content in mutate(path, good, 4000, seed=packed):
        result, error = attempt(read_idx, path)
        if error is not None:
            assert is_one_sentence_about(error, path), error
            refused += 1
        else:
            assert packed or result.nbytes < len(content)
            parsed += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert refused > 2000
    assert parsed > 0


def peak_of_refused(path):
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True])
def test_a_lying_header_allocates_no_more_than_the_file_holds(tmp_path, packed):
    content = b"\0\0\x08\2" + struct.pack(">II", 1 << 16, 1 << 17) + bytes(1000)  # promises 8 GiB
    (tmp_path / "liar").write_bytes(gzip.compress(content) if packed else content)
    assert peak_of_refused(tmp_path / "liar") < 4 << 20


def test_a_gzip_bomb_is_read_only_as_far_as_its_header_promises(tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(b"\0\0\x08\1" + struct.pack(">I", 100))]
    pieces += [packer.compress(bytes(1 << 20)) for _ in range(200)]
    (tmp_path / "bomb").write_bytes(b"".join(pieces) + packer.flush())
    assert peak_of_refused(tmp_path / "bomb") < 4 << 20


def test_memory_is_that_of_the_array(tmp_path):
    write_idx(tmp_path / "a.gz", np.zeros((4, 1 << 20), np.float64))
    tracemalloc.start()
    array = read_idx(tmp_path / "a.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.25 * array.nbytes + (4 << 20)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_published_files(name):
    folder = real_data(name)
    for part, count in (("train", 60_000), ("t10k", 10_000)):
        images = read_idx(next(folder.glob(f"{part}-images-idx3-ubyte*")))
        labels = read_idx(next(folder.glob(f"{part}-labels-idx1-ubyte*")))
        assert (images.shape, images.dtype) == ((count, 28, 28), np.uint8)
        assert (labels.shape, labels.dtype) == ((count,), np.uint8)
        assert sorted(set(labels.tolist())) == list(range(10))
        if (name, part) == ("mnist", "train"):
            assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
