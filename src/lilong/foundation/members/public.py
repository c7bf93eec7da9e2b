"""The door of members."""

from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState, may_order
from lilong.foundation.members.queries import (
    OrganisationView,
    find_missing_secrets,
    get_organisations,
    list_organisations_in,
)
from lilong.foundation.members.services.organisations import (
    NewOrganisation,
    admit_organisation,
    bootstrap_operator,
    create_organisation,
)
from lilong.foundation.members.services.tokens import NewToken, authenticate
from lilong.foundation.members.services.vault import reseal_secrets, reveal_secrets

__all__ = [
    "NewOrganisation",
    "NewToken",
    "OrganisationKind",
    "OrganisationState",
    "OrganisationView",
    "admit_organisation",
    "authenticate",
    "bootstrap_operator",
    "create_organisation",
    "find_missing_secrets",
    "get_organisations",
    "list_organisations_in",
    "may_order",
    "reseal_secrets",
    "reveal_secrets",
]
