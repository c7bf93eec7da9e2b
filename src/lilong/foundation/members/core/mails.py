"""How long a mail of signing in is worth sending."""

from datetime import timedelta

KEPT_FOR = timedelta(hours=24)
