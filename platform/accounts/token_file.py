"""The file that keeps an operator's token between commands: the user's own, mode 0600, in a 0700 folder."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from chukan.platform.accounts.errors import TokenFileUnsafe


class TokenFile:
    """One token, for one operating-system user and one installation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> str | None:
        """Return the token, or None if nobody is logged in.

        Raises:
            TokenFileUnsafe: it is another user's, others may read it, or it is no plain file.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TokenFileUnsafe(path=self.path, detail=str(error)) from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            others = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            if not stat.S_ISREG(status.st_mode) or others or status.st_uid != os.geteuid():
                raise TokenFileUnsafe(path=self.path)
            return file.read(256).decode("ascii", "replace").strip()

    def write(self, token: str) -> None:
        """Keep *token* in place of an older one; the file is never open to others, not even while it is made."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token)
            made.replace(self.path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise

    def remove(self) -> bool:
        """Forget the token; return whether there was one."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
