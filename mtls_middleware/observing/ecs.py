"""Log lines as JSON in the form of the Elastic Common Schema (ECS), one object a line."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from mtls_middleware.observing.logging import EXTRA

VERSION = "8.17"

FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "event": "event.action",
        "reason": "event.reason",
        "peer": "source.address",
        "forwarded_for": "client.address",
        "path": "url.path",
        "subject": "tls.client.subject",
        "issuer": "tls.client.issuer",
        "fingerprint": "tls.client.hash.sha256",
        "correlation_id": "trace.id",
    }
)
"""The field of the schema for each of our attributes; every other one is a label."""


class ECSFormatter(logging.Formatter):
    """A formatter of the standard library's logging, for records of any logger."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": VERSION,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        for name, value in vars(record).items():
            if name.startswith(EXTRA):
                fact = name.removeprefix(EXTRA)
                field = FIELDS.get(fact, f"labels.{name}")
                line[field] = value.upper() if fact == "fingerprint" else value
        if record.exc_info:
            line["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
