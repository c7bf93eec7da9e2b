"""The door of notices."""

from lilong.foundation.notices.queries.posted import list_posted
from lilong.foundation.notices.services.posting import post_notice

__all__ = ["list_posted", "post_notice"]
