"""Pools: what providers connect, each served by an agent."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic import Field

from lilong.common.time import format_moment
from lilong.protocol.messages import AttemptState, Inventory
from lilong.sdk.noun import Answer, Noun, address, read_answer


class Maintenance(Answer):
    """A window in which nothing may run on a pool, with the provider's reason."""

    starts_at: datetime
    ends_at: datetime
    reason: str = ""


class Pool(Answer):
    """A pool, what it has and how it is. away: its agent is silent; clock_skewed: by more than 5 seconds.

    maintenance: what is announced and not over.
    """

    id: str
    organisation_id: str
    name: str
    engine: str
    created_at: datetime
    draining: bool
    maintenance: Maintenance | None = None
    away: bool
    last_sync_at: datetime | None = None
    agent_version: str = ""
    hostname: str = ""
    clock_skewed: bool
    inventory: Inventory | None = None


class JoinToken(Answer):
    """A join token, shown once: one agent may join the pool with it."""

    token: str = Field(repr=False)
    pool_id: str
    expires_at: datetime


class UnknownAttempt(Answer):
    """A job that an agent reports and no order explains: it is stopped and not charged."""

    pool_id: str
    attempt_id: str
    native_ref: str
    state: AttemptState
    metered_ms: int
    first_seen_at: datetime
    changed_at: datetime


class Pools(Noun):
    """Create pools and let agents join them."""

    def create(self, *, organisation_id: str, name: str, engine: str = "local") -> Pool:
        """Create a pool; the same organisation, name and engine again return the same pool."""
        return self._post(
            Pool, address("pools"), json={"organisation_id": organisation_id, "name": name, "engine": engine}
        )

    def get(self, pool_id: str) -> Pool:
        """Return a pool as it stands."""
        return self._get(Pool, address("pools", pool_id))

    def list(self) -> Iterator[Pool]:
        """Yield the organisation's pools, oldest first; operators get all."""
        return self._list(Pool, address("pools"))

    def drain(self, pool_id: str) -> Pool:
        """Let a pool take no new work; what it has goes on, what waits moves to other pools."""
        return self._change("PATCH", pool_id, json={"draining": True})

    def resume(self, pool_id: str) -> Pool:
        """Let a drained pool take work again."""
        return self._change("PATCH", pool_id, json={"draining": False})

    def announce_maintenance(self, pool_id: str, *, starts_at: datetime, ends_at: datetime, reason: str = "") -> Pool:
        """Announce a window in place of the one before: no work begins that could reach into it. Moments are aware."""
        window = {"starts_at": format_moment(starts_at), "ends_at": format_moment(ends_at), "reason": reason}
        return self._change("PUT", pool_id, "maintenance", json=window)

    def cancel_maintenance(self, pool_id: str) -> Pool:
        """Take back what was announced."""
        return self._change("DELETE", pool_id, "maintenance")

    def _change(self, method: str, *parts: str, json: Mapping[str, object] | None = None) -> Pool:
        return read_answer(self._transport.request(method, address("pools", *parts), json=json).content, kind=Pool)

    def create_join_token(self, pool_id: str) -> JoinToken:
        """Make a token with which one agent may join the pool, once, within a day."""
        return self._post(JoinToken, address("pools", pool_id, "join-tokens"))

    def list_unknown_attempts(self) -> Iterator[UnknownAttempt]:
        """Yield the jobs that no order explains, oldest first, such as those after a restored backup; for operators."""
        return self._list(UnknownAttempt, address("unknown-attempts"))
