"""The door of members for whoever sends invitations by mail or shows the page on which one is accepted."""

from lilong.foundation.members.core.invitations import InvitationState, format_link
from lilong.foundation.members.queries.invitations import (
    InvitationView,
    RevealedInvitation,
    find_invitation,
    find_inviting,
    list_open_sendings,
    reveal_invitation,
)
from lilong.foundation.members.services.invitations import Joined, accept_invitation

__all__ = [
    "InvitationState",
    "InvitationView",
    "Joined",
    "RevealedInvitation",
    "accept_invitation",
    "find_invitation",
    "find_inviting",
    "format_link",
    "list_open_sendings",
    "reveal_invitation",
]
