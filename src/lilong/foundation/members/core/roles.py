"""Which roles there are in an organisation, what they may do to each other, and how far their tokens reach."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from lilong.common.permissions import Actor, Role, Scope, Verdict, may
from lilong.common.sentences import say


class OrganisationKind(StrEnum):
    """What an organisation is for, as it applied; what it is at the hub, and when, its standings say.

    A maker is one person without a company.
    """

    RESIDENT = "resident"
    VIRTUAL = "virtual"
    CHAIN = "chain"
    PROVIDER = "provider"
    SPONSOR = "sponsor"
    INVESTOR = "investor"
    MAKER = "maker"
    HUB = "hub"


class OrganisationState(StrEnum):
    """Whether an organisation may order."""

    APPLIED = "applied"
    ADMITTED = "admitted"
    SUSPENDED = "suspended"


LOWER_ROLES = frozenset({Role.MEMBER, Role.BILLING, Role.VIEWER})
HEAD_ROLES: Mapping[OrganisationKind, Role] = {
    kind: Role.OPERATOR if kind is OrganisationKind.HUB else Role.OWNER for kind in OrganisationKind
}
MANAGERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN})


def list_scopes(*, role: Role) -> frozenset[Scope]:
    """Return the widest scopes that a token of somebody in this role may carry.

    >>> Scope.OPERATE in list_scopes(role=Role.OWNER)
    False
    """
    return frozenset(Scope) if role is Role.OPERATOR else frozenset(Scope) - {Scope.OPERATE}


def may_set_role(actor: Actor, *, kind: OrganisationKind, old: Role | None, new: Role | None) -> Verdict:
    """Say whether the actor may turn `old` into `new` in the actor's own organisation; None stands outside of it.

    Owners and operators set every role of their kind of organisation, admins only member, billing and viewer.

    >>> admin = Actor(role=Role.ADMIN, scopes=frozenset({Scope.MANAGE}))
    >>> may_set_role(admin, kind=OrganisationKind.RESIDENT, old=Role.OWNER, new=None).reason
    'An admin may not change an owner.'
    """
    allowed = may(actor, roles=MANAGERS, scope=Scope.MANAGE)
    if not allowed.allowed:
        return allowed
    if new is not None and (new is Role.OPERATOR) is not (kind is OrganisationKind.HUB):
        return Verdict(
            allowed=False,
            reason=say("There is no role {role} in this kind of organisation: {kind}.", role=new, kind=kind),
        )
    if actor.role is Role.ADMIN:
        above = [role for role in (old, new) if role is not None and role not in LOWER_ROLES]
        if above:
            reason = say("An admin may not change an {role}.", role=above[0])
            return Verdict(allowed=False, reason=reason, needs=frozenset({Role.OWNER}))
    return Verdict(allowed=True)


def find_giving_roles(*, roles: Collection[Role]) -> frozenset[Role]:
    """Return the roles whose people can give somebody at least one of these roles, in the same organisation.

    >>> find_giving_roles(roles={Role.VIEWER}) == {Role.OWNER, Role.ADMIN}
    True
    """
    givers = {Role.OPERATOR for role in roles if role is Role.OPERATOR}
    givers |= {Role.OWNER for role in roles if role is not Role.OPERATOR}
    return frozenset(givers | {Role.ADMIN for role in roles if role in LOWER_ROLES})
