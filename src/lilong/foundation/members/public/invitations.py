"""The door of members for whoever sends invitations by mail or shows the page on which one is accepted."""

from lilong.foundation.members.queries.invitations import (
    InvitationView,
    RevealedInvitation,
    find_open_invitation,
    list_open_sendings,
    reveal_invitation,
)
from lilong.foundation.members.services.invitations import Joined, accept_invitation

__all__ = [
    "InvitationView",
    "Joined",
    "RevealedInvitation",
    "accept_invitation",
    "find_open_invitation",
    "list_open_sendings",
    "reveal_invitation",
]
