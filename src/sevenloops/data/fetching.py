"""Fetching a published file: from the first mirror that delivers it, verified, whole or not at all.

Imported only where something is fetched: the standard library's network modules take longer to import than NumPy's.
"""

import io
import os
import secrets
import shutil
import socket
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, cast
from urllib import request
from urllib.error import HTTPError, URLError

from sevenloops.data.contents import PIECE, Content
from sevenloops.errors import DataError, DownloadError
from sevenloops.version import __version__

__all__ = ["fetched", "move_in", "temporary_file", "unpacked"]

# A mirror is given up when it says nothing for so long, and when what it says is too little: a connection that drips
# is as good as none. The least that is asked for is 4 KiB/s, as two old modems have.
_SILENCE_SECONDS = 20.0
_WINDOW_SECONDS = 30.0
_WINDOW_BYTES = 120 * 1024

_REASON_LENGTH = 200


@contextmanager
def fetched(
    name: str, urls: Sequence[str], folder: Path, limit: int, fault: Callable[[Path], str | None]
) -> Iterator[Path]:
    """Fetch a file under a temporary name, which is removed again if the ``with`` block has left it there.

    Parameters
    ----------
    name : str
        What it is called to the user.
    urls : sequence of str
        Tried in this order, until one delivers a file without fault.
    folder : Path
        Where the temporary file is made.
    limit : int
        The most bytes that the file may have.
    fault : callable
        Returns what is wrong with a file, or None.

    Yields
    ------
    Path

    Raises
    ------
    DownloadError
        If no URL delivers it; the message gives each one's reason.
    OSError
        If the file cannot be written.
    """
    with temporary_file(folder) as path:
        reasons = []
        for url in urls:
            reason = _receive(url, path, limit, name) or fault(path)
            if reason is None:
                yield path
                return
            reasons.append(f"{url} ({reason})")
        raise DownloadError(
            f"{name} must come whole from one of its mirrors, but none delivered it: {'; '.join(reasons)}; "
            f"try again later, or put the file into {folder} yourself."
        )


@contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """Make up a hidden name in a folder, and remove what has that name in the end."""
    path = folder / f".sevenloops-{secrets.token_hex(8)}.tmp"
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def move_in(temporary: Path, target: Path, content: Content) -> None:
    """Give a verified file its name, unless something has it: that is left as it is.

    Raises
    ------
    DataError
        If something that is not the same has the name.
    """
    try:
        try:
            os.link(temporary, target)  # fails where the name is taken, even if only since a moment ago
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise FileExistsError from None
            os.rename(temporary, target)
    except FileExistsError:
        content.check(target)


@contextmanager
def unpacked(name: str, path: Path, folder: Path, wanted: Mapping[str, int]) -> Iterator[dict[str, Path]]:
    """Unpack files from a gzip-compressed tar file, all of them, and nothing but regular files of these sizes.

    Parameters
    ----------
    name : str
        What the archive is called to the user.
    path : Path
        The archive.
    folder : Path
        Where temporary files are made, which are removed again if the ``with`` block has left them there.
    wanted : mapping of str to int
        The names in the archive, and the size of each in bytes.

    Yields
    ------
    dict
        The temporary file of each name.

    Raises
    ------
    DataError
        If one is not there.
    """
    with ExitStack() as stack, tarfile.open(path, "r:gz") as archive:
        taken: dict[str, Path] = {}
        for member in archive:
            source = archive.extractfile(member) if member.isreg() else None
            if source is not None and wanted.get(member.name) == member.size:
                taken[member.name] = stack.enter_context(temporary_file(folder))
                with open(taken[member.name], "wb") as file:
                    shutil.copyfileobj(source, file, PIECE)
                    file.flush()
                    os.fsync(file.fileno())
        absent = [file for file in wanted if file not in taken]
        if absent:
            raise DataError(f"{name} must hold {', '.join(absent)}, but it does not; report this mistake.")
        yield taken


def _receive(url: str, path: Path, limit: int, name: str) -> str | None:
    """Write what a URL delivers to a file, down to the disk; return what goes wrong on the way, or None."""
    with open(path, "wb") as file:
        try:
            for piece in _pieces(url, limit, name):
                file.write(piece)
        except _MirrorError as error:
            return str(error)
        file.flush()
        os.fsync(file.fileno())  # a crash may not leave a file of this name without its content
    return None


class _MirrorError(Exception):
    """Why a mirror did not deliver."""


def _pieces(url: str, limit: int, name: str) -> Iterator[bytes]:
    """Yield what a URL delivers, piece by piece; nothing but `_MirrorError` is raised for what the network does."""
    received = 0
    try:
        query = request.Request(url, headers={"User-Agent": f"sevenloops/{__version__}"})
        with _opener().open(query, timeout=_SILENCE_SECONDS) as response:
            announced = response.headers.get("Content-Length")
            length = int(announced) if announced and announced.isdecimal() else None
            with _progress_bar(name, length) as bar:
                while piece := response.read1(PIECE):
                    received += len(piece)
                    if received > limit:
                        raise _MirrorError(f"it sent more than the {limit} bytes that the file can have")
                    if bar is not None:
                        bar.update(len(piece))
                    yield piece
    except (OSError, HTTPException, ValueError) as error:
        raise _MirrorError(_reason(error)) from error
    if length is not None and received < length:
        raise _MirrorError(f"it ended after {received} of {length} bytes")


def _reason(error: BaseException) -> str:
    """Say in a few words what went wrong; some of them may be the server's, so control characters go."""
    if isinstance(error, HTTPError):
        text = f"it answered {error.code} {error.reason}"
    elif isinstance(error, URLError):
        return _reason(error.reason) if isinstance(error.reason, BaseException) else str(error.reason)
    else:
        text = str(error) or type(error).__name__
    first, *_ = text.splitlines()
    return "".join(filter(str.isprintable, first))[:_REASON_LENGTH].strip()


@contextmanager
def _progress_bar(name: str, length: int | None) -> Iterator[Any]:
    """Show a bar on a terminal, if tqdm is installed; yields it, or None."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, "leave": False}
    with tqdm(total=length, desc=name, file=sys.stderr, **options) as bar:
        yield bar


# --- connections whose every byte comes in time ------------------------------------------------------------------


class _InTime(io.RawIOBase):
    """What a socket says, as long as it says enough in time: header lines too, which may drip as well."""

    def __init__(self, connection: socket.socket) -> None:
        self._raw = connection.makefile("rb", buffering=0)  # counts as a user of the socket, which stays open for it
        self._start_window()

    def _start_window(self) -> None:
        self._end, self._missing = time.monotonic() + _WINDOW_SECONDS, _WINDOW_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._end:
            raise TimeoutError(f"it sent less than {_WINDOW_BYTES // 1024} KiB in {_WINDOW_SECONDS:g} s")
        try:
            count = self._raw.readinto(buffer)
        except TimeoutError:
            raise TimeoutError(f"it sent nothing for {_SILENCE_SECONDS:g} s") from None
        self._missing -= count or 0
        if self._missing <= 0:
            self._start_window()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """A connected socket for http.client, which reads from it by way of `_InTime`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_InTime(self._connection), PIECE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Connection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _Socket(self.sock))


class _SecureConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock = cast(socket.socket, _Socket(self.sock))


class _Handler(request.AbstractHTTPHandler):
    """Opens http and https URLs by way of these connections."""

    def http_open(self, query: request.Request) -> HTTPResponse:
        return self.do_open(_Connection, query)

    def https_open(self, query: request.Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, query)

    http_request = https_request = request.AbstractHTTPHandler.do_request_


def _opener() -> request.OpenerDirector:
    """Return what follows redirections and the proxies of the environment, to http and https and nowhere else."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        _Handler(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener
