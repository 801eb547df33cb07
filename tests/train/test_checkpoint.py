import json

import numpy as np
import pytest

from sevenloops.errors import DataError
from sevenloops.serialization import load, load_metadata, save
from sevenloops.train.checkpoint import read_checkpoint, write_checkpoint

STATE = {
    "model": {"conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(7)},
    "optimizer": {"state": {0: {"step": 3, "exp_avg": np.ones(2)}}, "groups": [{"betas": (0.9, 0.999), "lr": 1e-3}]},
    "generator": np.random.PCG64(5).state,
    "nothing": None,
    "empty": {},
    "tiny": 5e-324,
    "third": 1 / 3,
}


def same(left, right):
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, dict):
        return {str(k) for k in left} == set(right) and all(same(v, right[str(k)]) for k, v in left.items())
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def test_a_state_survives_the_file_bit_by_bit(tmp_path):
    path = tmp_path / "state"
    write_checkpoint(path, STATE)
    assert same(STATE, read_checkpoint(path))


def test_the_arrays_are_where_any_reader_of_safetensors_finds_them(tmp_path):
    write_checkpoint(tmp_path / "state", STATE)
    assert set(load(tmp_path / "state")) == {"model.conv.weight", "model.count", "optimizer.state.0.exp_avg"}


@pytest.mark.parametrize(
    "bits", [np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64]
)
def test_every_generator_goes_on_where_it_was(tmp_path, bits):
    rng = np.random.Generator(bits(1))
    rng.standard_normal(5)
    rng.integers(0, 2**32, dtype=np.uint32)  # leaves half a draw behind
    write_checkpoint(tmp_path / "state", {"rng": rng.bit_generator.state})
    again = np.random.Generator(bits(2))
    again.bit_generator.state = read_checkpoint(tmp_path / "state")["rng"]
    for _ in range(3):
        assert again.integers(0, 2**32, dtype=np.uint32) == rng.integers(0, 2**32, dtype=np.uint32)
        np.testing.assert_array_equal(again.standard_normal(3), rng.standard_normal(3))


def test_weights_are_no_checkpoint(tmp_path):
    save(tmp_path / "weights", {"a": np.zeros(2)})
    with pytest.raises(DataError, match="must be the checkpoint of a training run, but is none"):
        read_checkpoint(tmp_path / "weights")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"format": 2}', '{"format": 2, "state": {"a": {"array": "b"}}}', "[" * 100_000],
)
def test_what_is_no_state_is_refused(tmp_path, text):
    save(tmp_path / "x", {}, metadata={"sevenloops.checkpoint": text})
    with pytest.raises(DataError, match="must be the checkpoint of a training run"):
        read_checkpoint(tmp_path / "x")


def test_a_state_of_any_dtype_and_layout_survives(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "big-endian": rng.random(3).astype(">f8"),
        "transposed": rng.random((3, 4)).T,
        "empty": np.zeros((0, 3), np.float32),
        "number": np.array(5, np.int8),
        "reversed": rng.integers(0, 9, 7)[::-1],
    }
    write_checkpoint(tmp_path / "x", arrays)
    for name, value in read_checkpoint(tmp_path / "x").items():
        np.testing.assert_array_equal(value, arrays[name])


def test_every_wrong_bit_is_noticed(tmp_path):
    path = tmp_path / "x"
    write_checkpoint(path, STATE)
    whole = path.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for place in range(start, len(whole)):  # the arrays, of which every value is possible
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"written with its SHA-256 \w{12}…, but is damaged; remove it"):
            read_checkpoint(path)
    path.write_bytes(whole.replace(rb"0.999", rb"0.998"))
    with pytest.raises(DataError, match="but is damaged"):
        read_checkpoint(path)


def test_another_format_asks_for_another_version(tmp_path):
    write_checkpoint(tmp_path / "x", {})
    content = json.loads(load_metadata(tmp_path / "x")["sevenloops.checkpoint"])
    save(tmp_path / "x", {}, metadata={"sevenloops.checkpoint": json.dumps(content | {"format": 99})})
    with pytest.raises(DataError, match="of format 2, but is of format 99; go on with the version"):
        read_checkpoint(tmp_path / "x")


def test_a_failure_to_write_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "state"
    write_checkpoint(path, {"epoch": 1})

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, {"epoch": 2})
    assert read_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
