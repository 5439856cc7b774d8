"""What is logged: a JSON object a line, on stderr. Never a text, nor a token."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

# What every record has; the rest was given as `extra`.
_USUAL = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Time, level, message and all that was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _USUAL}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def log_to_stderr(level: str = "info") -> None:
    """Send the log of tformer to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("tformer")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
