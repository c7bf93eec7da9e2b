"""The door of funding for the room that sells: what a rule would have cost, were it told which orders there were."""

from lilong.platforms.funding.core.replay_outcome import Outcome
from lilong.platforms.funding.queries.replay import SoldOrder, replay_rule

__all__ = ["Outcome", "SoldOrder", "replay_rule"]
