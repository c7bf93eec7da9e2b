"""Logs: one JSON object a line on standard error, Django's lines among ours. Tracebacks show no values.

No line names a person by address, whoever wrote it: databases and mail servers quote what they refuse.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor

from lilong.common.masking import hide_mailboxes

_SECRET = re.compile(r"(?<=/)(?![0-9a-f]{64}(?:/|$))[A-Za-z0-9_-]{40,}")


def hide_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Take tokens out of addresses: whoever has one could do what it allows. Ids are shorter, digests stay.

    >>> hide_secrets(None, "info", {"path": "/api/v1/links/dGhpcyBpcyBhIHNlY3JldCwgYW5kIGl0IGlzIGxvbmcu"})
    {'path': '/api/v1/links/…'}
    """
    if isinstance(event.get("path"), str):
        event["path"] = _SECRET.sub("…", event["path"])
    return event


def hide_addresses(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave out of all texts, tracebacks too, what stands before the @ of an address.

    >>> hide_addresses(None, "info", {"error": {"detail": ["Key (email)=(ada@example.org) already exists."]}})
    {'error': {'detail': ['Key (email)=(…@example.org) already exists.']}}
    """
    return {name: value if name.startswith("_") else _hide_in(value) for name, value in event.items()}


def _hide_in(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {hide_mailboxes(str(name)): _hide_in(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hide_in(inner) for inner in value]
    return hide_mailboxes(value if isinstance(value, str) else repr(value))


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    hide_secrets,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    hide_addresses,
)
_QUIET = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "django.request": logging.CRITICAL}


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever is standard error at that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # a plain attribute in the base class
        return sys.stderr


def configure_logs(options: Mapping[str, str]) -> None:
    """Send all logs of this process through structlog; Django calls this with its setting LOGGING.

    Refused requests are kept out: they stand in our own line of each request.
    """
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(options["level"])
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    for name in ("django", "django.server"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
