"""Sockets whose every wait ends with the request that it belongs to: a peer that sends a byte a second holds nobody."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
from typing_extensions import override

from chukan.platform.clock import monotonic


class Deadline:
    """By when the request of the present thread must have ended, in monotonic seconds."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let the requests of the block, all of them together, take at most so many *seconds*."""
        self._local.end = monotonic() + seconds
        try:
            yield
        finally:
            self._local.end = None

    def left(self, wanted: float | None) -> float | None:
        """Return how long one wait may be that was allowed *wanted* seconds.

        Raises:
            httpcore.ReadTimeout: nothing is left.
        """
        end: float | None = getattr(self._local, "end", None)
        if end is None:
            return wanted
        left = end - monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the request took too long as a whole")
        return left if wanted is None else min(wanted, left)


class BoundedBackend(httpcore.NetworkBackend):
    """Opens sockets that keep to a deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline = deadline

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, self._deadline.left(timeout), local_address, socket_options)
        return _BoundedStream(stream, self._deadline)


class _BoundedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner = inner
        self._deadline = deadline

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._deadline.left(timeout))

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _BoundedStream(stream, self._deadline)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
