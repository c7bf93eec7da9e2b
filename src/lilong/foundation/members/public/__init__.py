"""The door of members: organisations, tokens and secrets. `people`, `invitations` and others stand beside it."""

from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import STANDING_OF_KIND, Standing, StandingKind
from lilong.foundation.members.queries import (
    OrganisationView,
    count_organisations,
    find_missing_secrets,
    find_order_refusal,
    get_organisations,
    list_organisations_in,
)
from lilong.foundation.members.services.organisations import (
    NewOrganisation,
    admit_organisation,
    bootstrap_operator,
    create_organisation,
)
from lilong.foundation.members.services.standings import StandingGrant
from lilong.foundation.members.services.tokens import NewToken, authenticate
from lilong.foundation.members.services.vault import reveal_secrets

__all__ = [
    "STANDING_OF_KIND",
    "NewOrganisation",
    "NewToken",
    "OrganisationKind",
    "OrganisationState",
    "OrganisationView",
    "Standing",
    "StandingGrant",
    "StandingKind",
    "admit_organisation",
    "authenticate",
    "bootstrap_operator",
    "count_organisations",
    "create_organisation",
    "find_missing_secrets",
    "find_order_refusal",
    "get_organisations",
    "list_organisations_in",
    "reveal_secrets",
]
