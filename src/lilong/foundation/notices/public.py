"""The door of notices."""

from lilong.foundation.notices.queries.inbox import count_unread_of_memberships
from lilong.foundation.notices.queries.posted import list_posted
from lilong.foundation.notices.services.posting import post_notice

__all__ = ["count_unread_of_memberships", "list_posted", "post_notice"]
