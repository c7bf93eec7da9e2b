"""The door of members for the sign-in, the pages of a person, and who writes to people."""

from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.queries import (
    PersonView,
    list_erased_people,
    list_givers,
    list_memberships,
    list_people,
    name_organisations,
)
from lilong.foundation.members.queries.people import PersonExport
from lilong.foundation.members.services.organisations import found_organisation
from lilong.foundation.members.services.people import confirm_email, erase_person, export_person, set_language

__all__ = [
    "Language",
    "PersonExport",
    "PersonView",
    "confirm_email",
    "erase_person",
    "export_person",
    "found_organisation",
    "list_erased_people",
    "list_givers",
    "list_memberships",
    "list_people",
    "name_organisations",
    "set_language",
]
