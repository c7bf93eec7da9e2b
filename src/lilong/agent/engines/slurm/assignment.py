"""Decide as which user of the cluster an organisation's jobs run. Pure: nobody is asked here whether users exist.

Either the operator has mapped the organisation to the account that it has there, or it gets a service user of the pool,
which is nobody else's as long as it holds it. Whatever could make two organisations one user is refused.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Assigned:
    """The user for an organisation. is_new: it was free until now, so that holding it has to be written down first."""

    user: str
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """No user can be given; `detail` says why and what the operator of the pool can do."""

    code: str
    detail: str


def is_user_name(name: str) -> bool:
    """Return whether the helper makes a folder for a user of this name.

    >>> is_user_name("org-1"), is_user_name("-u"), is_user_name("a/b")
    (True, False, False)
    """
    return _USER_NAME.fullmatch(name) is not None


def is_single_user(*, mapped: Mapping[str, str], pool: Sequence[str], agent_user: str) -> bool:
    """Return whether the agent's own user runs all jobs: it is the one user there is, for the one organisation.

    >>> is_single_user(mapped={"org_1": "ann"}, pool=[], agent_user="ann")
    True
    >>> is_single_user(mapped={"org_1": "ann", "org_2": "bob"}, pool=[], agent_user="ann")
    False
    """
    return list(mapped.values()) == [agent_user] and not pool and is_user_name(agent_user) and agent_user != "root"


def choose_user(
    *,
    organisation_id: str,
    mapped: Mapping[str, str],
    pool: Sequence[str],
    held: Mapping[str, str],
    agent_user: str,
) -> Assigned | Refusal:
    """Return the user as whom this organisation's jobs run, or why there is none.

    mapped: user by organisation, as the operator has set it; pool: service users; held: organisation by service user,
    for every one whose folders or jobs may still be there; agent_user: who asks, and runs nobody's jobs unless it runs
    those of one organisation alone.

    >>> choose_user(organisation_id="org_1", mapped={}, pool=["svc1"], held={}, agent_user="lilong-agent")
    Assigned(user='svc1', is_new=True)
    """
    if organisation_id in mapped:
        return _check_mapped(organisation_id, mapped=mapped, pool=pool, held=held, agent_user=agent_user)
    usable = [user for user in pool if _may_run_jobs(user, agent_user) and user not in mapped.values()]
    for user in usable:
        if held.get(user) == organisation_id:
            return Assigned(user)
    for user in usable:
        if user not in held:
            return Assigned(user, is_new=True)
    if not pool:
        return Refusal(
            code="identity.unmapped",
            detail=f"{organisation_id} has no user on this cluster: map it to one, or add service users to the pool.",
        )
    return Refusal(
        code="identity.pool_exhausted",
        detail=f"All {len(pool)} service users are held or cannot be used: add some to the pool, "
        "or release those whose organisations have nothing left here.",
    )


def _may_run_jobs(user: str, agent_user: str) -> bool:
    return is_user_name(user) and user not in {"root", agent_user}


def _check_mapped(
    organisation_id: str,
    *,
    mapped: Mapping[str, str],
    pool: Sequence[str],
    held: Mapping[str, str],
    agent_user: str,
) -> Assigned | Refusal:
    user = mapped[organisation_id]
    if is_single_user(mapped=mapped, pool=pool, agent_user=agent_user):
        return Assigned(user)
    if not _may_run_jobs(user, agent_user):
        return Refusal(
            code="identity.user_forbidden",
            detail=f"{organisation_id} is mapped to {user[:80]!r}, which runs no jobs: map it to another.",
        )
    if user in pool or Counter(mapped.values())[user] > 1 or held.get(user, organisation_id) != organisation_id:
        return Refusal(
            code="identity.user_shared",
            detail=f"{user} would be the user of more than one organisation: give {organisation_id} one that is mapped "
            "once, stands in no pool and is held by nobody else.",
        )
    return Assigned(user)
