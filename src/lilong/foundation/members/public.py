"""The door of members."""

from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.queries import (
    OrganisationView,
    PersonView,
    find_missing_secrets,
    get_organisations,
    list_organisations_in,
    list_people,
)
from lilong.foundation.members.services.organisations import (
    NewOrganisation,
    admit_organisation,
    bootstrap_operator,
    create_organisation,
)
from lilong.foundation.members.services.people import set_language
from lilong.foundation.members.services.tokens import NewToken, authenticate
from lilong.foundation.members.services.vault import reveal_secrets

__all__ = [
    "Language",
    "NewOrganisation",
    "NewToken",
    "OrganisationKind",
    "OrganisationState",
    "OrganisationView",
    "PersonView",
    "admit_organisation",
    "authenticate",
    "bootstrap_operator",
    "create_organisation",
    "find_missing_secrets",
    "get_organisations",
    "list_organisations_in",
    "list_people",
    "reveal_secrets",
    "set_language",
]
