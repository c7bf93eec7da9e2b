"""What each role may do, as the page of people says it; tests hold it against the rules of the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from lilong.common.permissions import Role

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

OWNER, ADMIN, MEMBER, BILLING, VIEWER = Role.OWNER, Role.ADMIN, Role.MEMBER, Role.BILLING, Role.VIEWER


@dataclass(frozen=True, slots=True)
class Right:
    """Something that one may do, and in which roles, the widest first. name: for tests."""

    name: str
    text: "_StrOrPromise"
    roles: Sequence[Role]


RIGHTS: Sequence[Right] = (
    Right("look", _("See orders, runs, the wallet and the people"), (OWNER, ADMIN, MEMBER, BILLING, VIEWER)),
    Right("read_files", _("Download the files that runs made"), (OWNER, ADMIN, MEMBER, VIEWER)),
    Right("order", _("Ask for quotes, order, cancel"), (OWNER, ADMIN, MEMBER)),
    Right("spending", _("Open projects, set budgets and when the wallet is low"), (OWNER, ADMIN, BILLING)),
    Right("approve", _("Approve orders of others above a limit"), (OWNER, ADMIN)),
    Right("secrets", _("Keep the secrets and volumes of jobs"), (OWNER, ADMIN, MEMBER)),
    Right("documents", _("Give documents, appeal, dispute a charge"), (OWNER, ADMIN, BILLING)),
    Right("money", _("Ask for top-ups and pay-outs"), (OWNER, BILLING)),
    Right("sell", _("Keep pools and webhooks, set prices, declare owners"), (OWNER, ADMIN)),
    Right("people", _("Invite and remove members, billing and viewers, and change their roles"), (OWNER, ADMIN)),
    Right("heads", _("Make owners and admins, change or remove them, hand over the ownership"), (OWNER,)),
)
