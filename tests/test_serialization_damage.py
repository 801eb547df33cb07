"""The state of a network in a file that lies: thousands of damaged ones cost one error each, and little memory."""

import json
import random
import tracemalloc

import numpy as np
import pytest

from sevenloops import nn
from sevenloops.serialization import load, load_metadata, save
from tests.helpers.damage import attempt, is_one_sentence_about, mutate


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Return a network with weights, running statistics and an int64 without axes; its file, the header, the data."""
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    model = nn.Sequential(nn.Conv2d(2, 4, 3, rng=0), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3, rng=0))
    save(path, model.state_dict(), metadata={"epochs": "3", "name": "réseau"})
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return model, content, json.loads(content[8 : 8 + length]), content[8 + length :]


def contents_of(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def lying_header(rng, header):
    """Change one statement of a header to another of its kind, or to one of no kind."""
    header = json.loads(json.dumps(header))
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    entry = header[name]
    begin, end = entry["data_offsets"]
    big = rng.choice([2**31, 2**32, 2**62, 2**63, 2**64, 10**30])
    odd = [None, True, 1.5, "1", -1, [], {}, [[1]], "\ud800", "x" * 5000, float("nan")]
    match rng.randrange(12):
        case 0:
            entry["shape"] = rng.choice([[big], [big, big], [0, big], [1] * 70, [-1], entry["shape"] + [2]])
        case 1:
            entry["data_offsets"] = rng.choice(
                [[begin - 4, end - 4], [end, begin], [begin, begin], [0, big], [-big, 0], [begin + 1, end + 1]]
            )
        case 2:
            other = header[rng.choice([n for n in names if n != name])]
            entry["data_offsets"] = other["data_offsets"]
        case 3:
            entry["dtype"] = rng.choice(["F64", "F16", "BF16", "BOOL", "U8", "F8_E4M3", "", "f32", *odd[:6]])
        case 4:
            entry[rng.choice(["dtype", "shape", "data_offsets"])] = rng.choice(odd)
        case 5:
            del entry[rng.choice(["dtype", "shape", "data_offsets"])]
        case 6:
            header[name] = rng.choice(odd)
        case 7:
            header["__metadata__"] = rng.choice([v for v in odd if v is not None and v != {}])
        case 8:
            header["__metadata__"]["epochs"] = rng.choice([v for v in odd if not isinstance(v, str)] + ["\ud800"])
        case 9:
            del header[name]
        case 10:
            header["added"] = {"dtype": "F32", "shape": [4], "data_offsets": [begin, begin + 16]}
        case 11:
            entry["shape"][:0] = [rng.choice([0, 2, 3, big])]
    return header


def raw_text(rng, header):
    """Return a header that is no JSON object of the format, whatever it states."""
    text = json.dumps(header).encode()
    depth = rng.choice([10, 1000, 100_000])
    at = rng.randrange(1, len(text))
    return rng.choice(
        [
            text[:at],
            text[:at] + rng.choice([b"\xff", b"\0", b"\xc3", b"\xed\xa0\x80"]) + text[at:],
            b'{"w":' + b"[" * depth + b"]" * depth + b"}",
            b'{"w":' * depth + b"1" + b"}" * depth,
            text[:-1] + b"," + text[1:],  # every key twice
            text + text,
            b'{"w":' + b"9" * depth + b"}",
            text.replace(b"{", b"[", 1),
            b"[" + text + b"]",
            text.replace(b'"', b"'"),
        ]
    )


def damaged(good, seed):
    """Yield files that break the format in what they state."""
    _, content, header, data = good
    rng = random.Random(seed)
    for _ in range(3000):
        kind = rng.randrange(4)
        if kind < 2:
            yield contents_of(lying_header(rng, header), data)
        elif kind == 2:
            yield contents_of(raw_text(rng, header), data)
        else:
            length = int.from_bytes(content[:8], "little")
            lie = rng.choice([0, 1, 7, length - 8, length - 1, length + 1, len(content), 2**31, 2**63, 2**64 - 1])
            yield contents_of(content[8 : 8 + length], data, lie)


def test_files_that_lie_are_refused_in_one_sentence(good, tmp_path):
    path = tmp_path / "lie.safetensors"
    harmless = 0  # an int64 may be called a float64
    tracemalloc.start()
    try:
        for content in damaged(good, seed=1):
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            for reader in (load, load_metadata):
                result, error = attempt(reader, path)
                if error is None:
                    harmless += 1
                    sizes = [array.nbytes for array in result.values()] if reader is load else []
                    assert sum(sizes) < 2 * len(content)
                else:
                    assert is_one_sentence_about(error, path), error
                    assert len(str(error)) < 1000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert harmless < 60
    assert peak < 16 << 20  # the deepest header has 1.2 MB, and Python's objects for it take several times that


def test_files_that_chance_has_changed_load_or_are_refused(good, tmp_path):
    model, content, _, _ = good
    path = tmp_path / "changed.safetensors"
    state = model.state_dict()
    loaded = refused = 0
    tracemalloc.start()
    try:
        for changed in mutate(path, content, 3000, seed=2):
            result, error = attempt(load, path)
            if error is None:
                loaded += 1
                assert sum(array.nbytes for array in result.values()) < len(changed)
                _, error = attempt(load_metadata, path)
                assert error is None
            else:
                refused += 1
                assert is_one_sentence_about(error, path), error
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    assert refused > 1500
    assert loaded > 50
    save(path, state)
    for name, array in load(path).items():
        np.testing.assert_array_equal(array, state[name])
