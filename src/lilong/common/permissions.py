"""Who is asking, and the form of every answer to "may they?": (allowed, reason)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from lilong.common.errors import LilongError, NotAllowed
from lilong.common.sentences import say

ROLES_FACT = "roles"


class Role(StrEnum):
    """A person's role in the one organisation that the token belongs to."""

    OPERATOR = "operator"
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    BILLING = "billing"
    VIEWER = "viewer"


class Scope(StrEnum):
    """What a token may be used for; a token without a scope cannot do it, whatever the role."""

    READ = "read"
    RUN = "run"
    PAY = "pay"
    MANAGE = "manage"
    OPERATE = "operate"


class Verdict(NamedTuple):
    """The answer to a permission question; `reason` is a sentence for the person who asked.

    needs: the roles that may, where only another role is missing.
    """

    allowed: bool
    reason: str = ""
    needs: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking: a person acting for one organisation, an agent of one pool, or nobody (public).

    An actor with role operator belongs to the hub's own organisation. An agent has only `pool_id`.
    """

    person_id: str = ""
    organisation_id: str = ""
    role: Role | None = None
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    pool_id: str = ""
    token_id: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether this is a person of the hub with the operate scope."""
        return self.role is Role.OPERATOR and Scope.OPERATE in self.scopes


PUBLIC = Actor()


def may(actor: Actor, *, roles: frozenset[Role], scope: Scope) -> Verdict:
    """Say whether the actor's role is one of `roles` and the token carries `scope`.

    >>> may(PUBLIC, roles=frozenset({Role.OWNER}), scope=Scope.RUN).reason
    'This needs a person who is signed in.'
    """
    if actor.role is None:
        return Verdict(allowed=False, reason=say("This needs a person who is signed in."))
    if actor.role not in roles:
        wanted = ", ".join(sorted(roles))
        return Verdict(
            allowed=False,
            reason=say("Your role is {role}; this needs one of: {wanted}.", role=actor.role, wanted=wanted),
            needs=roles,
        )
    if scope not in actor.scopes:
        return Verdict(allowed=False, reason=say("Your token lacks the scope {scope}.", scope=scope))
    return Verdict(allowed=True)


def require(verdict: Verdict) -> None:
    """Raise NotAllowed with the verdict's reason, and the roles that may as a fact, unless it allows."""
    if not verdict.allowed:
        facts = {ROLES_FACT: ", ".join(sorted(verdict.needs))} if verdict.needs else {}
        raise NotAllowed(detail=verdict.reason, facts=facts)


def read_needed_roles(error: LilongError) -> frozenset[Role]:
    """Return the roles that may do what was refused; none where it was refused for another reason.

    >>> read_needed_roles(NotAllowed(facts={"roles": "admin, owner"})) == {Role.ADMIN, Role.OWNER}
    True
    """
    named = error.facts.get(ROLES_FACT) if isinstance(error, NotAllowed) else None
    return frozenset(Role(name) for name in str(named).split(", ")) if named else frozenset()
