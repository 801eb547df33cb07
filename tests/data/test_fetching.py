import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest

from sevenloops.data import fetching
from sevenloops.data.contents import Content
from sevenloops.data.fetching import fetched, move_in, unpacked
from sevenloops.errors import DataError, DownloadError
from tests.helpers.mirrors import FAILURES, SUCCESSES, mirror
from tests.helpers.threads import from_many_threads

RAW = np.random.default_rng(0).integers(0, 50, 20_000, np.uint8).tobytes()
CONTENT = Content(len(RAW), hashlib.sha256(RAW).hexdigest())
NAME = "images.gz"
LIMIT = len(RAW) + 4096


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def _impatience(monkeypatch):
    """Give mirrors up after a second: time enough for a good one, however busy this machine is."""
    monkeypatch.setattr(fetching, "_SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(fetching, "_WINDOW_SECONDS", 1.0)
    monkeypatch.setattr(fetching, "_WINDOW_BYTES", 2048)


@pytest.fixture(scope="module")
def server():
    with mirror({NAME: gzip.compress(RAW, mtime=0)}) as running:
        yield running


def fetch(folder, *urls):
    """Fetch the file into a folder; return its name there."""
    target = folder / NAME
    with fetched(NAME, [url + NAME for url in urls], folder, LIMIT, CONTENT.fault) as path:
        assert path.parent == folder
        assert path.name.startswith(".")
        assert CONTENT.fault(path) is None
        move_in(path, target, CONTENT)
    return target


def unpack(path):
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


@pytest.mark.parametrize("behaviour", SUCCESSES)
def test_a_good_mirror_delivers(server, tmp_path, behaviour):
    path = fetch(tmp_path, server.url(behaviour))
    assert unpack(path) == RAW
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("behaviour", FAILURES)
def test_a_bad_mirror_leads_to_the_next(request, server, tmp_path, behaviour):
    if behaviour.startswith(("silent", "drip")):
        request.getfixturevalue("_impatience")
    began = time.monotonic()
    path = fetch(tmp_path, server.url(behaviour), server.url("good"))
    assert time.monotonic() - began < 10  # it would be 20 seconds, or for ever
    assert unpack(path) == RAW
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.usefixtures("_impatience")
def test_if_none_delivers_one_sentence_gives_each_reason(server, tmp_path):
    urls = [server.url(behaviour) for behaviour in FAILURES]
    with pytest.raises(DownloadError) as caught:
        fetch(tmp_path, *urls)
    message = str(caught.value)
    assert message.startswith(f"{NAME} must come whole from one of its mirrors, but none delivered it: http://127.0.")
    assert message.endswith(f"put the file into {tmp_path} yourself.")
    assert "\n" not in message
    places = [message.index(url) for url in urls]
    assert places == sorted(places)
    for (behaviour, expected), start, end in zip(FAILURES.items(), places, [*places[1:], len(message)], strict=True):
        assert re.search(rf"\(.*({expected}).*\)", message[start:end]), (behaviour, message[start:end])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/", "refused"),
        ("file:///etc/", "unknown url type: file"),
        ("ftp://127.0.0.1/", "unknown url type: ftp"),
        ("no-url", "unknown url type"),
        ("http://[::1/", "IPv6"),
        ("http://127.0.0.1:port/", "port"),
    ],
)
def test_urls_that_lead_nowhere(tmp_path, url, reason):
    with pytest.raises(DownloadError, match=reason):
        fetch(tmp_path, url)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_not_the_mirrors_fault(server, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(tmp_path, server.url("good"), server.url("good"))
    assert not isinstance(caught.value, DownloadError)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="a process cannot interrupt itself there")
def test_an_interrupt_leaves_nothing(server, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, server.url("interrupt"), server.url("good"))
    assert os.listdir(tmp_path) == []


def test_many_at_once_all_get_it(server, tmp_path):
    from_many_threads(lambda: fetch(tmp_path, server.url("slowly")))
    assert unpack(tmp_path / NAME) == RAW
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("links", [True, False])
def test_what_came_meanwhile_is_left_as_it_is(server, tmp_path, monkeypatch, links):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    assert unpack(fetch(tmp_path, server.url("good"))) == RAW
    first = (tmp_path / NAME).stat()
    assert fetch(tmp_path, server.url("packed-otherwise")).stat().st_mtime_ns == first.st_mtime_ns
    (tmp_path / NAME).write_bytes(b"mine")
    with pytest.raises(DataError, match="left as it is"):
        fetch(tmp_path, server.url("good"))
    assert (tmp_path / NAME).read_bytes() == b"mine"
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_a_name_that_is_taken_by_something_else(server, tmp_path, kind):
    if kind == "folder":
        (tmp_path / NAME).mkdir()
    else:
        (tmp_path / NAME).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="it is no file"):
        fetch(tmp_path, server.url("good"))
    assert os.listdir(tmp_path) == [NAME]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("behaviour", ["good", "without-length"])
def test_a_bar_on_a_terminal(server, tmp_path, monkeypatch, behaviour):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch(tmp_path, server.url(behaviour))
    assert NAME in sys.stderr.getvalue()


def test_silence_elsewhere(server, tmp_path, monkeypatch, capfd):
    fetch(tmp_path, server.url("good"))
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    fetch(tmp_path, server.url("good"))
    assert sys.stderr.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    fetch(tmp_path, server.url("good"))
    monkeypatch.undo()
    assert capfd.readouterr() == ("", "")


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert unpack(fetch(tmp_path, "http://mirror.invalid/good/")) == RAW


@pytest.mark.usefixtures("_impatience")
def test_https_is_verified(tmp_path, monkeypatch):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate")
    certificate = tmp_path / "certificate.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    made = subprocess.run(
        [openssl, *command.split(), "-keyout", tmp_path / "key", "-out", tmp_path / "own"], capture_output=True
    )
    if made.returncode:
        pytest.skip("this openssl makes no such certificate")
    certificate.write_bytes((tmp_path / "own").read_bytes() + (tmp_path / "key").read_bytes())
    folder = tmp_path / "data"
    folder.mkdir()
    with mirror({NAME: gzip.compress(RAW)}, certificate=certificate) as secure:
        with pytest.raises(DownloadError, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(folder, secure.url("good"))
        assert secure.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own"))
        assert unpack(fetch(folder, secure.url("drip"), secure.url("redirected"))) == RAW


# --- archives ----------------------------------------------------------------------------------------------------


def archive(path, *members):
    """Write a tar file of (name, content) or TarInfo."""
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                file.addfile(info, io.BytesIO(member[1]))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_only_what_is_wanted_is_unpacked(tmp_path):
    packed = archive(
        tmp_path / "a.tar.gz",
        ("set/one", b"1"),
        ("../outside", b"x"),
        ("/absolute", b"x"),
        ("set/two", b"22"),
        ("set/more", b"x"),
        link("set/link", "/etc/passwd"),
    )
    folder = tmp_path / "data"
    folder.mkdir()
    with unpacked("a.tar.gz", packed, folder, {"set/two": 2, "set/one": 1}) as taken:
        assert {name: path.read_bytes() for name, path in taken.items()} == {"set/one": b"1", "set/two": b"22"}
        assert {path.parent for path in taken.values()} == {folder}
        assert len(os.listdir(folder)) == 2
    assert os.listdir(folder) == []
    assert sorted(os.listdir(tmp_path)) == ["a.tar.gz", "data"]


@pytest.mark.parametrize(
    "members",
    [
        [("set/one", b"1")],
        [("set/one", b"1"), ("set/two", b"2")],
        [("set/one", b"1"), ("two", b"22")],
        [("set/one", b"1"), link("set/two", "one")],
        [("set/one", b"1"), link("set/two", "set/one", tarfile.LNKTYPE)],
        [("set/one", b"1"), link("set/two", "", tarfile.DIRTYPE)],
        [("set/one", b"1"), link("set/two", "", tarfile.FIFOTYPE)],
    ],
)
def test_what_is_not_there_as_expected_is_an_error(tmp_path, members):
    packed = archive(tmp_path / "a.tar.gz", *members)
    with pytest.raises(DataError, match=r"^a\.tar\.gz must hold set/two, but"):  # noqa: SIM117
        with unpacked("a.tar.gz", packed, tmp_path, {"set/one": 1, "set/two": 2}):
            pass
    assert os.listdir(tmp_path) == ["a.tar.gz"]


def test_no_thread_is_needed(server, tmp_path):
    before = threading.active_count()
    fetch(tmp_path, server.url("good"))
    assert threading.active_count() <= before + 1  # the server's own
