"""The door of members for the sign-in and the pages of a person."""

from lilong.foundation.members.queries import list_memberships
from lilong.foundation.members.queries.people import PersonExport
from lilong.foundation.members.services.organisations import found_organisation
from lilong.foundation.members.services.people import confirm_email, erase_person, export_person

__all__ = [
    "PersonExport",
    "confirm_email",
    "erase_person",
    "export_person",
    "found_organisation",
    "list_memberships",
]
