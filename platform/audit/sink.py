"""The sink: every seal, with its leaves, in append-only files outside the database.

``seals-<first number>.jsonl`` holds 1,440 seals, a day's, one line each; ``keys.json`` the public keys.
A line counts when it ends with a newline and was flushed to the disk; the rest of a torn one is
dropped by the next writer. Nothing that counts is ever changed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from chukan.platform.audit.errors import SealerBusy, SinkDisagrees, SinkUnreadable, SinkUnwritable
from chukan.platform.audit.rules import canonical_json
from chukan.platform.audit.seals import Leaf, Seal, SealKeys

SEALS_PER_FILE = 1_440
KEYS_FILE = "keys.json"
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of the sink that is no seal."""

    file: str
    line: int


def seal_line(seal: Seal) -> str:
    """Return *seal* as its line, without the newline."""
    leaves = [[str(leaf.chain), leaf.seq, leaf.head.hex()] for leaf in seal.leaves]
    return canonical_json({"checkpoint": seal.checkpoint, "leaves": leaves, "number": seal.number})


def seal_of_line(line: str) -> Seal | None:
    """Return the seal that *line* is, or None if it is none in exactly the form of ``seal_line``."""
    try:
        found = json.loads(line)
        leaves = tuple(Leaf(UUID(chain), int(seq), bytes.fromhex(head)) for chain, seq, head in found["leaves"])
        seal = Seal(int(found["number"]), str(found["checkpoint"]), leaves)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return seal if seal_line(seal) == line else None


class FileSink:
    """The sink in one folder. Reading needs no lock; writing happens inside ``exclusive``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only writer of this folder; drop what an interrupted one left of its last line.

        Raises:
            SealerBusy: another process is writing.
            SinkUnwritable: the folder cannot be made or written to.
        """
        with self._told():
            self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            lock = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise SealerBusy from error
            with self._told():
                self._drop_torn_line()
            yield
        finally:
            os.close(lock)

    def last(self) -> Seal | None:
        """Return the newest seal, or None.

        Raises:
            SinkUnreadable: the last line is no seal.
        """
        for path in reversed(self._files()):
            line = _last_line(path)
            if line:
                seal = seal_of_line(line.decode(errors="replace"))
                if seal is None:
                    raise SinkUnreadable(file=path.name, line="-1")
                return seal
        return None

    def append(self, seal: Seal) -> None:
        """Write *seal* after the last one; when this returns, the disk has it.

        Raises:
            SinkUnwritable: it has not; what was written of it is taken back.
            SinkDisagrees: it does not follow the last one.
        """
        last = self.last()
        if seal.number != (last.number if last else 0) + 1:
            raise SinkDisagrees(number=seal.number)
        first = (seal.number - 1) // SEALS_PER_FILE * SEALS_PER_FILE + 1
        with self._told():
            self._append_line(self.directory / f"seals-{first:012d}.jsonl", f"{seal_line(seal)}\n".encode())

    def seals(self) -> Iterator[Seal | BadLine]:
        """Stream everything that the sink holds, in the order of its files; a torn last line is left out.

        Raises:
            SinkUnwritable: a file cannot be read.
        """
        for path in self._files():
            with self._told(), path.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    if not line.endswith(b"\n"):
                        break
                    yield seal_of_line(line[:-1].decode(errors="replace")) or BadLine(path.name, number)

    @property
    def keys_path(self) -> Path:
        """Where the public keys of the seals stand."""
        return self.directory / KEYS_FILE

    def learn(self, keys: SealKeys) -> SealKeys:
        """Add *keys* to the file of public keys, and return all that it holds now.

        Raises:
            KeyChanged: a key id is known with another key.
            KeysUnusable: the file holds something else.
            SinkUnwritable: it cannot be written.
        """
        known = SealKeys({})
        if self.keys_path.exists():
            with self._told():
                known = SealKeys.from_text(self.keys_path.read_text(encoding="utf-8"), str(self.keys_path))
        joined = known.joined(keys, str(self.keys_path))
        if joined.jwks != known.jwks:
            with self._told():
                self._replace_keys(joined.text())
        return joined

    def _files(self) -> list[Path]:
        return sorted(self.directory.glob("seals-*.jsonl"))

    def _drop_torn_line(self) -> None:
        for path in reversed(self._files()):
            size = path.stat().st_size
            whole = size - len(_after_last_newline(path))
            if whole != size:
                with path.open("r+b") as file:
                    file.truncate(whole)
                    os.fsync(file.fileno())
            if whole:
                return

    def _append_line(self, path: Path, line: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            before = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, before)
                raise
            if before == 0:
                _sync_directory(self.directory)
        finally:
            os.close(descriptor)

    def _replace_keys(self, content: str) -> None:
        draft = self.keys_path.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.keys_path)
        _sync_directory(self.directory)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SinkUnwritable(directory=self.directory, reason=error.strerror or str(error)) from error


def _last_line(path: Path) -> bytes:
    """Return the last line that ends with a newline, without it; empty if there is none."""
    return _tail(path, newlines=2).rpartition(b"\n")[0].rpartition(b"\n")[2]


def _after_last_newline(path: Path) -> bytes:
    return _tail(path, newlines=1).rpartition(b"\n")[2]


def _tail(path: Path, *, newlines: int) -> bytes:
    """Return the end of the file from before its last *newlines* newlines on, or all of it."""
    with path.open("rb") as file:
        tail = b""
        position = file.seek(0, os.SEEK_END)
        while position and tail.count(b"\n") < newlines:
            step = min(_CHUNK, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
    return tail


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
