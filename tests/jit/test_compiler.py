"""The cache of machine code: what is damaged, missing or impossible to write costs time and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.threads import run

pytest.importorskip("llvmlite")

CALL = """
import numpy as np
import sevenloops as sl
from sevenloops.jit import compiler

compiled = []
real = compiler._compile
compiler._compile = lambda text: compiled.append(text) or real(text)
x, w = np.ones((2, 8, 20, 20), np.float32), np.ones((16, 8, 3, 3), np.float32)
assert (sl.conv2d(x, w, algorithm="direct") == 72).all()
print(len(compiled))
"""


def compiled(folder, **variables):
    """Return how many kernels a fresh process compiles for one layer."""
    (count,) = run(CALL, SEVENLOOPS_CACHE=str(folder), SEVENLOOPS_NUM_THREADS="2", **variables)
    return int(count)


def kernels(folder):
    return sorted((Path(folder) / "kernels").iterdir())


def test_what_was_compiled_once_is_loaded(tmp_path):
    count = compiled(tmp_path)
    assert count == len(kernels(tmp_path)) > 0
    assert compiled(tmp_path) == 0


@pytest.mark.parametrize(
    "damage",
    {
        "empty": lambda code: b"",
        "truncated": lambda code: code[:-100],
        "only the checksum": lambda code: code[:32],
        "half a checksum": lambda code: code[:16],
        "a changed byte": lambda code: code[:300] + bytes([code[300] ^ 1]) + code[301:],
        "longer": lambda code: code + b"\0",
        "zeros": lambda code: bytes(len(code)),
        "something else": lambda code: b"\x7fELF" * 500,
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_files_are_compiled_again(damage, tmp_path):
    count = compiled(tmp_path)
    before = {path: path.read_bytes() for path in kernels(tmp_path)}
    for path, code in before.items():
        path.write_bytes(damage[1](code))
    assert compiled(tmp_path) == count
    assert {path: path.read_bytes() for path in kernels(tmp_path)} == before
    assert compiled(tmp_path) == 0


def test_a_kernel_under_another_ones_name_is_not_taken_for_it(tmp_path):
    count = compiled(tmp_path)
    first, *others = kernels(tmp_path)
    for other in others:
        other.write_bytes(first.read_bytes())
    assert compiled(tmp_path) == count - 1


def test_targets_do_not_share_kernels(tmp_path):
    count = compiled(tmp_path, SEVENLOOPS_TARGET="baseline")
    assert compiled(tmp_path, SEVENLOOPS_TARGET="host") >= count - 1 > 0  # the pool's may be equal, but not its key
    assert compiled(tmp_path, SEVENLOOPS_TARGET="baseline") == 0


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"no folder")
    assert compiled(tmp_path / "file") > 0
    assert compiled(tmp_path / "file" / "below") > 0
    assert (tmp_path / "file").read_bytes() == b"no folder"


def test_a_folder_in_the_place_of_a_kernel(tmp_path):
    count = compiled(tmp_path)
    for path in kernels(tmp_path):
        path.unlink()
        path.mkdir()
    assert compiled(tmp_path) == count
    assert all(path.is_dir() for path in kernels(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_folder_that_cannot_be_written(tmp_path):
    folder = tmp_path / "kernels"
    folder.mkdir()
    folder.chmod(0o500)
    try:
        if os.access(folder, os.W_OK):  # root may write everywhere, but not to a file system that does not exist
            assert compiled("/proc/sevenloops") > 0 if sys.platform == "linux" else True
            return
        assert compiled(tmp_path) > 0
        assert kernels(tmp_path) == []
    finally:
        folder.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="homes are found in another way there")
def test_without_a_home():
    code = "from pathlib import Path\ndef home(): raise RuntimeError('no home')\nPath.home = home\n" + CALL
    variables = {
        name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "SEVENLOOPS_CACHE")
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, env=variables
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0


def test_processes_that_write_at_once(tmp_path):
    """All of them compute, and what they leave is whole."""
    environment = {**os.environ, "SEVENLOOPS_CACHE": str(tmp_path), "SEVENLOOPS_NUM_THREADS": "2"}
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", CALL], env=environment, stdout=subprocess.PIPE)
        for _ in range(6)
    ]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert int(output) >= 0
    assert all(re.fullmatch(r"[0-9a-f]{32}\.o", path.name) for path in kernels(tmp_path))
    assert compiled(tmp_path) == 0


# --- llvmlite -----------------------------------------------------------------------------------------------------

WITHOUT = """
import sys, warnings
{}
import numpy as np
import sevenloops as sl
from sevenloops import backends
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        y = sl.conv2d(np.ones((1, 2, 5, 5)), np.ones((3, 2, 3, 3)))
        y = sl.relu(y)
assert (y == 18).all()
assert "jit" not in backends.usable()
try:
    sl.conv2d(np.ones((1, 2, 5, 5)), np.ones((3, 2, 3, 3)), algorithm="direct")
except sl.errors.UnsupportedGeometryError as error:
    message = str(error)
assert message == (
    "direct cannot compute this forward: it needs the machine-code backend, so the extra: "
    "pip install 'sevenloops[fast]'; use algorithm=\\"auto\\"."
), message
print(*[f"{{warning.category.__name__}}:{{warning.message}}".replace(" ", "_") for warning in caught])
"""


def test_a_missing_llvmlite_is_not_worth_a_word():
    assert run(WITHOUT.format("sys.modules['llvmlite'] = None")) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise OSError('libffi is missing')", "libffi_is_missing"),
        ("import a_module_that_it_needs", "a_module_that_it_needs"),
        ("raise ImportError('the DLL load failed')", "the_DLL_load_failed"),
        ("", "llvmlite.binding"),
    ],
)
def test_a_broken_llvmlite_is_told_once(tmp_path, content, said):
    (tmp_path / "llvmlite").mkdir()
    (tmp_path / "llvmlite" / "__init__.py").write_text(content)
    (warning,) = run(WITHOUT.format(f"sys.path.insert(0, {str(tmp_path)!r})"))
    assert warning.startswith("RuntimeWarning:sevenloops_computes_with_NumPy_alone,_since_llvmlite_cannot_be_loaded")
    assert said in warning
