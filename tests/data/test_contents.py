import gzip
import hashlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenloops.data.contents import Content
from sevenloops.errors import DataError


def described(content, **options):
    algorithm = options.get("algorithm", "sha256")
    return Content(len(content), hashlib.new(algorithm, content).hexdigest(), **options)


@given(content=st.binary(max_size=200), other=st.binary(max_size=200), level=st.integers(0, 9))
def test_what_it_holds_is_compared_packed_or_not(tmp_path_factory, content, other, level):
    path = tmp_path_factory.mktemp("contents") / "file"
    expected = described(content)
    for wrote in (content, other):
        for packed in (False, True):
            if not packed and wrote[:2] == b"\x1f\x8b":
                continue  # would be read as a gzip file
            path.write_bytes(gzip.compress(wrote, level) if packed else wrote)
            fault = expected.fault(path)
            assert (fault is None) == (wrote == content)
            if fault is not None and len(wrote) <= len(content):
                assert expected.digest in fault
                assert hashlib.sha256(wrote).hexdigest() in fault
                assert f" {len(wrote)} bytes" in fault


def test_a_file_as_it_is(tmp_path):
    packed = gzip.compress(b"content")
    (tmp_path / "file").write_bytes(packed)
    assert described(packed, unpacked=False).fault(tmp_path / "file") is None
    assert described(b"content", unpacked=False).fault(tmp_path / "file") is not None
    assert described(packed, algorithm="md5", unpacked=False).fault(tmp_path / "file") is None
    assert "with the MD5 " in described(b"x" * len(packed), algorithm="md5", unpacked=False).fault(tmp_path / "file")


def test_every_bit_of_the_content_matters(tmp_path):
    content = bytes(range(64))
    packed = gzip.compress(content, mtime=0)
    passed = 0
    for at in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[at // 8] ^= 1 << at % 8
        (tmp_path / "file").write_bytes(changed)
        if described(content).fault(tmp_path / "file") is None:
            passed += 1
            assert gzip.decompress(changed) == content
    assert passed < 8 * 8  # flags, time and system in the header of 10 bytes


def test_no_more_is_read_than_it_should_hold(tmp_path):
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(200 << 20), 1))
    tracemalloc.start()
    fault = described(b"content").fault(tmp_path / "bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fault == "its unpacked content must be 7 bytes, but it is longer"
    assert peak < 8 << 20


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no file without an end on this system")
def test_a_file_without_an_end(tmp_path):
    assert described(b"content", unpacked=False).fault(Path("/dev/zero")) is not None


def test_check_refuses_in_one_sentence_and_changes_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"mine")
    expected = described(b"theirs")
    with pytest.raises(DataError) as caught:
        expected.check(path)
    assert str(caught.value) == (
        f"{path} must be the file that was published, but it is another one (its content must be 6 bytes with the "
        f"SHA-256 {expected.digest}, but it is 4 bytes with {hashlib.sha256(b'mine').hexdigest()}); "
        f"it is left as it is: move it away, and the right one is fetched."
    )
    assert path.read_bytes() == b"mine"
    described(b"mine").check(path)
    with pytest.raises(DataError, match="no file"):
        expected.check(tmp_path)
