"""The door of members for whoever uses organisations' data: what they agreed to."""

from lilong.foundation.members.queries.consents import list_named_organisations

__all__ = ["list_named_organisations"]
