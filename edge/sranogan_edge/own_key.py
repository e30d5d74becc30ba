"""A key that the runner makes for itself, and by which it knows what it wrote from what others put there."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from sranogan_edge.files import sync_folder

__all__ = ["OwnKey"]

_BYTES = 32


class OwnKey:
    """A file of 32 random bytes, of this user's own and no link; made where it is missing."""

    def __init__(self, path: Path) -> None:
        """Nothing is read yet."""
        self._path = path

    def mac(self, content: bytes) -> str:
        """Return the HMAC-SHA-256 of ``content``, in hexadecimal digits.

        Raises:
            OSError: the key can be neither read nor made, or is not this user's own.
        """
        return hmac.new(self._key(), content, hashlib.sha256).hexdigest()

    def is_ours(self, content: bytes, mac: object) -> bool:
        """Whether ``mac`` is that of ``content``; raises OSError as :meth:`mac`."""
        return isinstance(mac, str) and hmac.compare_digest(self.mac(content).encode(), mac.encode())

    def _key(self) -> bytes:
        with suppress(FileExistsError):
            made = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                with os.fdopen(made, "wb") as file:
                    file.write(secrets.token_bytes(_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                with suppress(OSError):
                    self._path.unlink()
                raise
            sync_folder(self._path.parent)
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found, key = os.fstat(file.fileno()), file.read(_BYTES + 1)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077 or len(key) != _BYTES:
            why = f"{self._path}: no key of this user's own (mode 0600, {_BYTES} bytes): remove it"
            raise PermissionError(errno.EPERM, why)
        return key
