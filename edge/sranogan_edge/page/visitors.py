"""Who visits the page: roles by token, sessions by a cookie that is no token; wrong tokens wait."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from sranogan_edge.errors import SranoganError

__all__ = ["LIFETIME_S", "Gate", "Role", "Sessions", "TooManyTriesError", "Visitor"]

Role = Literal["viewer", "operator"]
LIFETIME_S = 12 * 3600.0
SESSIONS = 256
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 5.0
AT_ONCE = 4  # wrong tokens of one address that wait for their answer
ADDRESSES = 1024  # whose wrong tokens are remembered
FORGET_S = 600.0
TOLD_S = 60.0  # between two lines about one address
TOLD_OF = 10  # addresses in that time: the audit trail is kept for ever

_log = logging.getLogger(__name__)


class TooManyTriesError(SranoganError):
    """So many wrong tokens of one address wait for their answer that no more are looked at."""


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        name: as they called themselves when they signed in; who has the token may take any.
        role: a viewer looks, an operator may change the threshold.
        address: that the connection comes from, a proxy's where one is between; what it says of others is not
            believed.
    """

    name: str
    role: Role
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.role}) from {self.address}"


class Sessions:
    """Visitors by the secret of their cookie, in memory: a restart asks everybody for the token again."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._open: dict[str, tuple[float, Visitor]] = {}  # by digest, in the order of their beginning

    def begin(self, visitor: Visitor) -> str:
        """Return the secret of a new session; beyond ``SESSIONS`` the oldest one ends."""
        secret = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._open) >= SESSIONS:
                del self._open[next(iter(self._open))]
            self._open[_digest(secret)] = (self._now() + LIFETIME_S, visitor)
        return secret

    def of(self, secret: str) -> Visitor | None:
        """Return whose session it is; None where it is none, or has ended."""
        with self._lock:
            ends, visitor = self._open.get(_digest(secret), (0.0, None))
            if visitor is not None and self._now() >= ends:
                del self._open[_digest(secret)]
                return None
            return visitor

    def end(self, secret: str) -> None:
        """Forget it."""
        with self._lock:
            self._open.pop(_digest(secret), None)


class Gate:
    """Roles by their tokens. A wrong token is answered after a pause that grows with each of its address.

    A right one is answered at once, but where ``AT_ONCE`` wrong ones of its address wait: then none is looked
    at, so that guessing in parallel is no faster.

    Attributes:
        wrong: wrong tokens since the start.
        on_wrong: is called with the address and how many it had lately, once a minute, for ten addresses.
    """

    def __init__(self, tokens: Mapping[Role, str], now: Callable[[], float] = time.monotonic) -> None:
        self.wrong = 0
        self.on_wrong: Callable[[str, int], None] = lambda address, times: None
        self._tokens, self._now = {role: token for role, token in tokens.items() if token}, now
        self._lately: dict[str, tuple[int, float]] = {}  # wrong tokens by address, and when the last one came
        self._told: dict[str, float] = {}
        self._waiting: Counter[str] = Counter()

    async def role_of(self, token: str, address: str) -> Role | None:
        """Return the role that ``token`` gives; None, after a pause, where it is wrong.

        Raises:
            TooManyTriesError: it was not looked at.
        """
        if self._waiting[address] >= AT_ONCE:
            raise TooManyTriesError("too many wrong tokens: wait a little, and try again")
        found: Role | None = None
        for role, known in self._tokens.items():
            if hmac.compare_digest(token.encode(), known.encode()):
                found = role
        if found is None:
            await self._pause(address)
        return found

    async def _pause(self, address: str) -> None:
        times, before = self._lately.pop(address, (0, 0.0))
        now = self._now()
        times = 1 if now - before > FORGET_S else times + 1
        while len(self._lately) >= ADDRESSES:
            del self._lately[next(iter(self._lately))]
        self._lately[address] = (times, now)
        self.wrong += 1
        self._tell(address, times, now)
        self._waiting[address] += 1
        try:
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(times - 1, 30)))
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    def _tell(self, address: str, times: int, now: float) -> None:
        if now - self._told.get(address, float("-inf")) < TOLD_S:
            return
        self._told = {at: told for at, told in self._told.items() if now - told < TOLD_S}
        if len(self._told) >= TOLD_OF:
            return
        self._told[address] = now
        _log.warning("the live page: a wrong token from %s, its number %d", address, times)
        self.on_wrong(address, times)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
