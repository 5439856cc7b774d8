"""What is logged: a JSON object a line, on stderr. No text unless asked for, never a token."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache

# What every record has; the rest was given as `extra`.
_USUAL = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}

# What Python looks up for every record, and the log does not tell.
_UNTOLD = ("logThreads", "logProcesses", "logMultiprocessing")

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
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return _as_json(entry)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _USUAL}


@contextmanager
def logging_to_stderr(level: str = "info") -> Iterator[None]:
    """Send the log of tformer to stderr meanwhile."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tformer")
    before = logger.handlers, logger.level, logger.propagate
    looked_up = {name: getattr(logging, name) for name in _UNTOLD}
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level.upper())
    vars(logging).update(dict.fromkeys(_UNTOLD, False))
    try:
        yield
    finally:
        logger.handlers, logger.level, logger.propagate = before
        vars(logging).update(looked_up)
