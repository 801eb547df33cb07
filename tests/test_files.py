import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sevenloops.files import leftovers, replacing


def test_the_new_contents_replace_the_old_ones(tmp_path):
    path = tmp_path / "a.txt"
    for contents in (b"first", b"second, longer"):
        with replacing(path) as file:
            file.write(contents)
        assert path.read_bytes() == contents
    assert os.listdir(tmp_path) == ["a.txt"]


def test_until_the_end_the_old_contents_are_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failing_block_changes_nothing(tmp_path, failure, exists):
    path = tmp_path / "a.txt"
    if exists:
        path.write_bytes(b"old")

    def write():
        with replacing(path) as file:
            file.write(b"new")
            raise failure

    with pytest.raises(failure):
        write()
    assert os.listdir(tmp_path) == (["a.txt"] if exists else [])
    assert not exists or path.read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_system_call_changes_nothing(tmp_path, monkeypatch, step):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left on device") as caught, replacing(path) as file:
        file.write(b"new")
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["a.txt"]
    assert path.read_bytes() == b"old"


def test_the_contents_are_on_the_disk_before_the_move(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def watched(descriptor):
        place = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(place.st_mode) else f"{place.st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(os, "replace", lambda *paths: steps.append("replace") or replace(*paths))
    with replacing(tmp_path / "a.txt") as file:
        file.write(b"new")
    assert steps == ["3 bytes", "replace", *(["folder"] if os.name == "posix" else [])]


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError), replacing(tmp_path / "a") as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
@pytest.mark.parametrize("through", ["itself", "a link"])
def test_what_is_no_file_is_an_error_and_stays(tmp_path, through):
    """A device that took a file's place would be one no longer: whoever may do everything could lose /dev/null."""
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / "pipe"
    if through == "a link":
        path = tmp_path / "link"
        path.symlink_to("pipe")
    before = sorted(os.listdir(tmp_path))
    with (
        pytest.raises(FileExistsError, match=r"must be a file, but .*pipe' is a folder or a device"),
        replacing(path) as file,
    ):
        file.write(b"new")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(os.listdir(tmp_path)) == before


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"), replacing(tmp_path / "nowhere" / "a.txt"):
        pass


def test_a_name_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("x" * 250)
    with replacing(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_relative_path_is_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with replacing("a.txt") as file:
        file.write(b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"


@pytest.mark.skipif(sys.platform == "win32", reason="links and permissions of POSIX")
def test_a_link_stays_and_new_files_have_the_usual_permissions(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    with replacing(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    plain = tmp_path / "plain.txt"
    plain.write_bytes(b"")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_what_a_killed_process_leaves_is_found(tmp_path):
    (tmp_path / "kept.tmp").write_text("mine")
    (tmp_path / ".sevenloops-mine").write_text("mine")
    script = (
        "import os, sys; from sevenloops.files import replacing\n"
        "with replacing(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path / "notes"]).returncode == 9
    (left,) = leftovers(tmp_path)
    assert Path(left).read_bytes() == b"half"
    assert len(list(tmp_path.iterdir())) == 3
