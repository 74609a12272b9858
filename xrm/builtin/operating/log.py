"""How a process writes its log: lines for people, or JSON for programs. No message holds a value of a record."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

import msgspec

from xrm.settings import Settings

_WORDS = re.compile(r"(?:^| )([a-z_]+)=(\S+)")


class JsonFormatter(logging.Formatter):
    """One JSON value per line; ``name=value`` words of a message, such as the request's id, become members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        message = record.getMessage()
        told = {
            **dict(_WORDS.findall(message)),
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()


def write_log(settings: Settings) -> None:
    """Set up the log of this process."""
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonFormatter() if settings.log_json else plain)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
