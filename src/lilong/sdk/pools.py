"""Pools: what providers connect, each served by an agent."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import Field

from lilong.protocol.messages import AttemptState, Inventory
from lilong.sdk.noun import Answer, Noun, address


class Pool(Answer):
    """A pool, what it has and how it is. away: its agent is silent; clock_skewed: by more than 5 seconds."""

    id: str
    organisation_id: str
    name: str
    engine: str
    created_at: datetime
    draining: bool
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

    def create_join_token(self, pool_id: str) -> JoinToken:
        """Make a token with which one agent may join the pool, once, within a day."""
        return self._post(JoinToken, address("pools", pool_id, "join-tokens"))

    def list_unknown_attempts(self) -> Iterator[UnknownAttempt]:
        """Yield the jobs that no order explains, oldest first, such as those after a restored backup; for operators."""
        return self._list(UnknownAttempt, address("unknown-attempts"))
