"""People for tests that need no tables of members."""

from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope

ALL_SCOPES = frozenset(Scope)


def make_operator() -> Actor:
    """Return a person of the hub."""
    return Actor(person_id=new_id("per"), organisation_id="org_hub", role=Role.OPERATOR, scopes=ALL_SCOPES)


def make_person(*, role: Role = Role.OWNER, organisation_id: str = "") -> Actor:
    """Return a person of an organisation that is not the hub, a new one unless it is named."""
    return Actor(
        person_id=new_id("per"), organisation_id=organisation_id or new_id("org"), role=role, scopes=ALL_SCOPES
    )
