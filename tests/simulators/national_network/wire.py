"""HTTP/1.1 as far as the network needs it, both ways; the library's own reading costs more than a signature."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import Protocol

_LONGEST_LINE = 64 * 1024
_MOST_LINES = 200
_HEXADECIMAL = 16


class Stream(Protocol):
    """What lines are read from."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line, at most *size* bytes of it."""
        ...


class Broken(OSError):
    """What came is no HTTP, or ended too early."""


@dataclass(frozen=True)
class Head:
    """The first line of a request or an answer, and the fields, in lower case."""

    first: str
    fields: dict[str, str]


def read_head(stream: Stream) -> Head | None:
    """Return the next head on *stream*; None if it has ended.

    Raises: Broken.
    """
    first = _line(stream)
    if not first:
        return None
    fields: dict[str, str] = {}
    for _ in range(_MOST_LINES):
        line = _line(stream).rstrip("\r\n")
        if not line:
            return Head(first.rstrip("\r\n"), fields)
        name, colon, value = line.partition(":")
        if not colon:
            break
        fields[name.strip().lower()] = value.strip()
    raise Broken("not a head")


def _line(stream: Stream) -> str:
    line = stream.readline(_LONGEST_LINE)
    if line and not line.endswith(b"\n"):
        raise Broken("a line without an end")
    return line.decode("latin-1")


class Link:
    """A connection to a server, kept open as long as both sides want it."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext, seconds: float) -> None:
        plain = socket.create_connection(address, seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(plain, server_hostname=address[0])
        except BaseException:
            plain.close()
            raise
        self._stream = self._socket.makefile("rb")
        self._host = address[0]
        self.is_open = True
        self.was_used = False

    def post(self, path: str, body: bytes, longest: int) -> tuple[int, bytes]:
        """Return status and body, of which at most *longest* bytes, of the answer to *body*.

        Raises: OSError; the connection is closed then.
        """
        told = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/jose\r\n"
        try:
            self._socket.sendall(f"{told}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = self._answer(longest)
        except BaseException:
            self.close()
            raise
        self.was_used = True
        return answer

    def begin(self, path: str, body: bytes) -> None:
        """Send half of what ``post`` sends, and hang up."""
        told = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/jose\r\n"
        self._socket.sendall(f"{told}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
        self.close()

    def close(self) -> None:
        """Close it."""
        self.is_open = False
        self._stream.close()
        self._socket.close()

    def _answer(self, longest: int) -> tuple[int, bytes]:
        head = read_head(self._stream)
        words = head.first.split(" ", 2) if head else []
        if head is None or len(words) < len(("version", "status")) or not words[1].isdecimal():
            raise Broken("no answer")
        if head.fields.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks(longest)
        elif "content-length" in head.fields:
            body = self._exactly(min(int(head.fields["content-length"]), longest))
        else:
            body = self._stream.read(longest)
            self.close()
        if self.is_open and (words[0] != "HTTP/1.1" or head.fields.get("connection", "").lower() == "close"):
            self.close()
        return int(words[1]), body

    def _chunks(self, longest: int) -> bytes:
        parts, left = [], longest
        while size := int(_line(self._stream).partition(";")[0].strip() or "0", _HEXADECIMAL):
            if size > left:
                raise Broken("too large")
            left -= size
            parts.append(self._exactly(size))
            _line(self._stream)
        while _line(self._stream).strip():
            pass
        return b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            raise Broken("ended too early")
        return content
