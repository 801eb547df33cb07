"""A server on this machine that delivers files as real ones do: rightly, wrongly, late, or not at all."""

import contextlib
import functools
import gzip
import os
import signal
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["FAILURES", "SUCCESSES", "mirror"]

#: What the first part of a path asks for, and what the message must say of it.
FAILURES = {
    "missing": "answered 404",
    "broken": "answered 500",
    "malicious": "answered 404 \\[2Jx{100,190}(?!x)",
    "cut": "ended after [0-9]+ of [0-9]+ bytes",
    "cut-without-length": "no whole gzip file",
    "corrupt": "no whole gzip file|content must be",
    "another": "content must be [0-9]+ bytes with the SHA-256 [0-9a-f]{64}, but it is [0-9]+ bytes with [0-9a-f]{64}",
    "longer": "sent more than the [0-9]+ bytes that the file can have",
    "endless": "sent more than the [0-9]+ bytes that the file can have",
    "bomb": "it is longer",
    "empty": "content must be",
    "silent": "sent nothing for [0-9.]+ s",
    "silent-at-once": "sent nothing for [0-9.]+ s",
    "drip": "sent less than [0-9]+ KiB in [0-9.]+ s",
    "drip-in-header": "sent less than [0-9]+ KiB in [0-9.]+ s",
    "hang-up": "closed|reset",
    "no-http": "SSH",
    "wrong-chunks": "IncompleteRead",
    "circle": "answered 302",
    "to-a-file": "answered 302|file",
    "to-ftp": "ftp",
}
SUCCESSES = ("good", "without-length", "in-chunks", "unpacked", "packed-otherwise", "redirected", "slowly")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = self.path.removeprefix("http://mirror.invalid")  # as it is asked for by way of a proxy
        self.server.asked.append(path)
        self.close_connection = True
        _, behaviour, name = path.split("/", 2)
        with contextlib.suppress(OSError):  # whoever asked has gone
            getattr(self, behaviour.replace("-", "_"))(self.server.files.get(name, b""))

    def answer(self, body, code=200, **headers):
        self.send_response(code)
        for key, value in ({"Content-Length": len(body)} | headers).items():
            if value is not None:
                self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def good(self, body):
        self.answer(body)

    def without_length(self, body):
        self.answer(body, **{"Content-Length": None})

    def in_chunks(self, body):
        self.answer(
            b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:1000], body[1000:], b"") if part)
            + b"0\r\n\r\n",
            **{"Content-Length": None, "Transfer-Encoding": "chunked"},
        )

    def unpacked(self, body):
        self.answer(gzip.decompress(body))

    def packed_otherwise(self, body):
        self.answer(gzip.compress(gzip.decompress(body), 1, mtime=1))

    def redirected(self, body):
        self.answer(b"", 302, Location=self.path.replace("redirected", "good"))

    def slowly(self, body):
        self.answer(b"", **{"Content-Length": len(body)})
        for start in range(0, len(body), 500):
            self.wfile.write(body[start : start + 500])
            time.sleep(0.005)

    def missing(self, body):
        self.answer(b"no such file", 404)

    def broken(self, body):
        self.answer(b"", 500)

    def malicious(self, body):
        self.wfile.write(b"HTTP/1.1 404 \x1b[2J" + b"x" * 1000 + b"\r\n\r\n")

    def cut(self, body):
        self.answer(body[: len(body) // 2], **{"Content-Length": len(body)})

    def cut_without_length(self, body):
        self.answer(body[: len(body) // 2], **{"Content-Length": None})

    def corrupt(self, body):
        at = len(body) // 2
        self.answer(body[:at] + bytes([body[at] ^ 16]) + body[at + 1 :])

    def another(self, body):
        content = bytearray(gzip.decompress(body) if body[:2] == b"\x1f\x8b" and not self.server.raw else body)
        content[-1] ^= 1
        self.answer(bytes(content))

    def longer(self, body):
        self.answer(body + bytes(1 << 20))

    def endless(self, body):
        self.answer(body, **{"Content-Length": None})
        while True:
            self.wfile.write(bytes(1 << 16))

    def bomb(self, body):
        self.answer(_bomb())

    def empty(self, body):
        self.answer(b"")

    def silent(self, body):
        self.answer(body[:100], **{"Content-Length": len(body)})
        self.server.closing.wait(30)

    def silent_at_once(self, body):
        self.server.closing.wait(30)

    def drip(self, body):
        self.answer(b"", **{"Content-Length": len(body)})
        self._drip(body)

    def drip_in_header(self, body):
        self._drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)

    def _drip(self, content):
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(0.03):
                return

    def hang_up(self, body):
        pass

    def no_http(self, body):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")

    def wrong_chunks(self, body):
        self.answer(b"fffff\r\nshort", **{"Content-Length": None, "Transfer-Encoding": "chunked"})

    def circle(self, body):
        self.answer(b"", 302, Location=self.path)

    def to_a_file(self, body):
        self.answer(b"", 302, Location="file:///etc/hostname")

    def to_ftp(self, body):
        self.answer(b"", 302, Location="ftp://127.0.0.1/file")

    def interrupt(self, body):
        """Press Ctrl-C on the whole process, in the middle of the file."""
        self.answer(body[:100], **{"Content-Length": len(body)})
        os.kill(os.getpid(), signal.SIGINT)
        self.server.closing.wait(30)


@functools.cache
def _bomb():
    return gzip.compress(bytes(15 << 20))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files, raw):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.raw = files, raw
        self.asked = []
        self.closing = threading.Event()

    def handle_error(self, request, client_address):
        pass

    def url(self, behaviour):
        scheme = "https" if isinstance(self.socket, ssl.SSLSocket) else "http"
        return f"{scheme}://127.0.0.1:{self.server_port}/{behaviour}/"


@contextlib.contextmanager
def mirror(files, *, raw=False, certificate=None):
    """Serve files, a dict of name and bytes, at ``server.url(behaviour) + name``; note in ``asked`` what was asked.

    `raw`: the files are compared as they are. `certificate`: a file with a key and a certificate, for https.
    """
    server = _Server(files, raw)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
