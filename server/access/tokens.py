"""Authentication: bearer tokens from a file, with quotas.

The file is TOML, a table for each token:

    [tokens.alice]
    sha256 = "9f86d081884c7d65..."    # printed by `tformer token alice`
    calls_per_minute = 600            # optional; so many at once, then as they refill
    tokens_per_minute = 100000        # optional; tokens of source text
    calls_per_day = 10000             # optional; days begin at midnight UTC
    tokens_per_day = 1000000          # optional
    admin = true                      # optional; may also use tformer.v1.AdminService

The tokens themselves are nowhere. A file that changes is read again; if it then has an error, the
log says so and the old tokens stay. A file without tokens lets nobody in.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import threading
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tformer.model.errors import InputError
from tformer.model.files import FileState, refuse_special, state_of
from tformer.server.access.usage import DailyBudget, TokenUsage
from tformer.server.status import NoToken, Overloaded

logger = logging.getLogger(__name__)

READ_AGAIN = 1.0
"""Seconds between looks at the file."""

READ_AT_ONCE = 64 << 10
"""Bytes of a file that is read again while a call waits, at most: some thirty milliseconds. One of
20,000 tokens takes a second; it is read beside the calls, and counts once it has been read."""

UNITS, TIMES = ("calls", "tokens"), ("minute", "day")
"""Quotas of a token, as its table has them: calls_per_minute."""

MOST = 10**15
"""The largest quota; all the world's text has not so many tokens."""

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass
class Quota:
    """A bucket that refills: so many a minute, and no more than that at once."""

    per_minute: float
    _level: float = field(init=False)
    _updated: float = field(init=False)

    def __post_init__(self) -> None:
        self._level = self.per_minute
        self._updated = time.monotonic()

    def take(self, amount: float, what: str) -> None:
        """Use some of it. More than the whole bucket may be taken when it is full, on credit.

        Raises:
            Overloaded: there is not enough.
        """
        self._refill()
        missing = min(amount, self.per_minute) - self._level
        if missing > 0:
            raise Overloaded(
                f"the quota of {self.per_minute:g} {what} a minute is used up",
                missing / self.per_minute * 60,
            )
        self._level -= amount

    def charge(self, amount: float) -> None:
        """Charge tokens beyond those that were reserved, on credit."""
        self._refill()
        self._level -= amount

    def _refill(self) -> None:
        now = time.monotonic()
        refilled = (now - self._updated) * self.per_minute / 60
        self._level = min(self.per_minute, self._level + refilled)
        self._updated = now


@dataclass(eq=False)
class Caller:
    """Owner of a token."""

    name: str
    sha256: str = ""
    calls: Quota | None = None
    tokens: Quota | None = None
    admin: bool = False
    """True if it may use AdminService."""
    budget: DailyBudget = field(default_factory=DailyBudget)
    usage: TokenUsage = field(default_factory=TokenUsage)

    def take_call(self) -> None:
        """Count a call against the quota of a minute and the budget of a day.

        Raises:
            Overloaded: one of them is used up.
        """
        self.usage.turn()
        self.budget.check_calls(self.usage)
        if self.calls:
            self.calls.take(1, "calls")
        self.usage.count_call()

    def take_tokens(self, amount: int) -> None:
        """Count tokens of texts before they are translated, as `take_call`.

        Raises:
            Overloaded: quota or budget are used up.
        """
        self.usage.turn()
        self.budget.check_tokens(self.usage)
        if self.tokens:
            self.tokens.take(amount, "tokens")
        self.usage.count_tokens(amount)

    def charge_tokens(self, amount: int) -> None:
        """Count tokens beyond those that were reserved, on credit."""
        if self.tokens:
            self.tokens.charge(amount)
        self.usage.count_tokens(amount)


class Authenticator:
    """Tells callers by their tokens; without a file everybody may come in."""

    def __init__(self, file: Path | None) -> None:
        """Read the file.

        Raises:
            InputError: it cannot be read, is not what it should be, or has no tokens.
        """
        self._file = file
        self._callers: list[Caller] = []
        self._known: dict[str, Caller] = {}
        self._state: FileState | None = None
        self._looked = time.monotonic()
        self._reading: threading.Thread | None = None
        if file is not None:
            self._state = state_of(file)
            self._know(read_tokens(file))
            if not self._callers:
                raise InputError(f"{file}: has no tokens; write [tokens.NAME] and sha256 = ...")

    @property
    def callers(self) -> Sequence[Caller]:
        """Owners of tokens."""
        return self._callers

    @property
    def is_open(self) -> bool:
        """True if no token is needed."""
        return self._file is None

    def admit(self, authorization: str) -> Caller | None:
        """Authenticate an `authorization` header; None where no token is needed.

        Raises:
            NoToken: nobody who is known.
        """
        if self.is_open:
            return None
        self._read_again()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NoToken("a token is needed: send the metadata 'authorization: Bearer TOKEN'")
        # Nobody can choose the hash of a guess, so the time of looking it up tells nothing.
        if (found := self._known.get(hash_token(token.strip()))) is None:
            raise NoToken("the token is unknown")
        return found

    def _know(self, callers: list[Caller]) -> None:
        known = {caller.sha256: caller for caller in callers}
        self._callers, self._known = callers, known

    def _read_again(self) -> None:
        now = time.monotonic()
        if self._file is None or now - self._looked < READ_AGAIN:
            return
        self._looked = now
        if self._reading and self._reading.is_alive():
            return
        if (state := state_of(self._file)) == self._state:
            return
        self._state = state
        if state and state[1] > READ_AT_ONCE:  # its size
            work = threading.Thread(target=self._replace, args=(self._file,), daemon=True)
            self._reading = work
            work.start()
        else:
            self._replace(self._file)

    def _replace(self, file: Path) -> None:
        """Take the tokens of the file; those before stay if it cannot be used."""
        try:
            refuse_special(file)
            self._know(_keeping_quotas(read_tokens(file), self._callers))
        except InputError as error:
            logger.error("the tokens were not read again", extra={"error": str(error)})
            return
        logger.info("the tokens were read again", extra={"tokens": len(self._callers)})


def hash_token(token: str) -> str:
    """SHA-256 of a token, as it is in the file. Tokens are random, so a plain hash will do."""
    # A header may have bytes that are no text; no token has them.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(32)


def read_tokens(file: Path) -> list[Caller]:
    """The callers that a file of tokens names.

    Raises:
        InputError: it cannot be read, or is not what it should be.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{file}: not TOML ({error})") from error
    tokens = table.get("tokens", {})
    if not isinstance(tokens, dict) or not table.keys() <= {"tokens"}:
        raise InputError(f"{file}: may have tokens alone; write [tokens.NAME] and sha256 = ...")
    return [_caller(file, name, entry) for name, entry in tokens.items()]


def _caller(file: Path, name: str, entry: Any) -> Caller:
    where = f"{file}: [tokens.{name}]"
    known = {"admin", "sha256", *(f"{what}_per_{time}" for what in UNITS for time in TIMES)}
    if not isinstance(entry, dict) or not entry.keys() <= known:
        raise InputError(f"{where}: may have {', '.join(sorted(known))}, and nothing else")
    if not _HASH.fullmatch(str(entry.get("sha256"))):
        raise InputError(f"{where}: sha256 must be 64 figures of a hexadecimal number")

    def number(key: str) -> float | None:
        value = entry.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
            raise InputError(f"{where}: {key} must be a number above 0, {MOST:,} at most")
        return value

    def quota(key: str) -> Quota | None:
        value = number(key)
        return None if value is None else Quota(value)

    admin = entry.get("admin", False)
    if not isinstance(admin, bool):
        raise InputError(f"{where}: admin must be true or false")
    calls, tokens = quota("calls_per_minute"), quota("tokens_per_minute")
    budget = DailyBudget(number("calls_per_day"), number("tokens_per_day"))
    return Caller(name, entry["sha256"], calls, tokens, admin, budget)


def _keeping_quotas(new: list[Caller], old: list[Caller]) -> list[Caller]:
    """A caller whose quota is still the same does not get a full bucket for a changed file."""
    before = {caller.name: caller for caller in old}
    for caller in new:
        if same := before.get(caller.name):
            caller.calls = _same_or_new(same.calls, caller.calls)
            caller.tokens = _same_or_new(same.tokens, caller.tokens)
            caller.usage = same.usage
    return new


def _same_or_new(old: Quota | None, new: Quota | None) -> Quota | None:
    return old if old and new and old.per_minute == new.per_minute else new
