"""Log: a JSON object a line, on stderr. No text unless asked for, never a token."""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

# What every record has; the rest was given as `extra`.
_USUAL = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}

OURS = "tformer"
"""Name of our loggers."""

CALL = "call"
"""Message of the lines that tell of calls."""

LAST_WAIT = 0.2
"""Seconds that the end of a program waits for a reader of its last lines."""

# Every call has a line, so these two are made once and not for each.
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


@lru_cache(maxsize=1)
def _in_words(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601 has them, in milliseconds."""
    second, fraction = divmod(seconds, 1)
    return f"{_in_words(int(second))}.{int(fraction * 1000):03d}+00:00"


def note(logger: logging.Logger, message: str, facts: dict[str, object]) -> None:
    """Log a message of level info, with facts, as ``logger.info(message, extra=facts)`` does.

    It does not look for the line of code that logs, which no log of ours tells and which takes as
    long as all the rest, and says which facts it has.
    """
    if logger.isEnabledFor(logging.INFO):
        record = logger.makeRecord(logger.name, logging.INFO, "", 0, message, (), None)
        record.__dict__.update(facts, facts=facts)
        logger.handle(record)


class Pipe:
    """Writes lines to a file descriptor that somebody may read slowly, or not at all.

    It never waits: what cannot be written is kept, up to a bound, and lost beyond; the first line
    that then gets through tells how many were lost.
    """

    ATOMIC = 4096
    """Bytes that a pipe takes at once if it takes any (PIPE_BUF of Linux)."""

    CAPACITY = 1 << 20
    """Bytes that are kept, at most."""

    def __init__(self, descriptor: int) -> None:
        """Write to ``descriptor``, which stays open."""
        self._descriptor = descriptor
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, text: str) -> None:
        """Write lines, or keep them, or lose them."""
        data = text.encode("utf-8", "replace")
        if self._size + len(data) > self.CAPACITY:
            self._lost += 1
        else:
            self._keep(data)
        self.flush()

    def flush(self, patience: float = 0.0) -> None:
        """Write what is kept, waiting ``patience`` seconds at most for every part of it."""
        while self._kept and self._is_ready(patience):
            data = self._kept.popleft()
            self._size -= len(data)
            try:
                written = os.write(self._descriptor, data[: self.ATOMIC])
            except OSError:  # nobody reads any more, or the disk is full
                self._lost += 1
                continue
            if rest := data[written:]:
                self._kept.appendleft(rest)
                self._size += len(rest)
            elif self._lost and not self._kept:
                self._tell_of_lost()

    def _is_ready(self, patience: float) -> bool:
        return any(events & select.POLLOUT for _, events in self._poll.poll(patience * 1000))

    def _keep(self, data: bytes) -> None:
        self._kept.append(data)
        self._size += len(data)

    def _tell_of_lost(self) -> None:
        lost, self._lost = self._lost, 0
        entry = {"time": _time(time.time()), "level": "warning", "message": "lines were lost"}
        self._keep(f"{_as_json(entry | {'lines': lost})}\n".encode())


class JsonFormatter(logging.Formatter):
    """Time, level, message and all that was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        entry |= getattr(record, "facts", None) or _extra(record)
        if not record.name.startswith(OURS):
            entry["logger"] = record.name
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _as_json(entry)


def _stderr() -> Any:
    """Stream of the log: stderr, without ever waiting for its reader."""
    try:
        return Pipe(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no file, as in a test
        return None


def _is_no_call(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or record.msg != CALL


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _USUAL}


@contextmanager
def _never_waiting() -> Iterator[None]:
    """Let nobody wait for the reader of stderr if it is a pipe: libraries write to it themselves.

    A pipe that is opened again has a mode of its own: other processes that have it write as before.
    """
    try:
        kept = os.dup(number := sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # no file, as in a test
        yield
        return
    try:
        with suppress(OSError):  # it belongs to another user, or this is not Linux
            if stat.S_ISFIFO(os.fstat(kept).st_mode):
                again = os.open(f"/proc/self/fd/{kept}", os.O_WRONLY | os.O_NONBLOCK)
                os.dup2(again, number)
                os.close(again)
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


@contextmanager
def logging_to_stderr(level: str = "info", *, calls: bool = True) -> Iterator[None]:
    """Send the log of tformer to stderr meanwhile, and warnings and errors of libraries.

    Args:
        level: the least that is logged.
        calls: whether every call has a line.
    """
    with _never_waiting():
        yield from _logging(level, calls)


def _logging(level: str, calls: bool) -> Iterator[None]:
    handler = logging.StreamHandler(pipe := _stderr())
    handler.setFormatter(JsonFormatter())
    if not calls:
        handler.addFilter(_is_no_call)
    logger, others = logging.getLogger(OURS), logging.getLogger()
    before = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level.upper())
    others.addHandler(handler)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        others.removeHandler(handler)
        if isinstance(pipe, Pipe):
            pipe.flush(LAST_WAIT)
        logger.handlers, logger.level, logger.propagate = before
