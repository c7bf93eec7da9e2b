"""The door of funding for the room that sells: what a rule would have cost, were it told which orders there were."""

from lilong.platforms.funding.core.deciding import Code
from lilong.platforms.funding.core.replay_outcome import Clause, Count, Outcome, Paid
from lilong.platforms.funding.core.rules import read_pack
from lilong.platforms.funding.queries.replay import SoldOrder, replay_rule

__all__ = ["Clause", "Code", "Count", "Outcome", "Paid", "SoldOrder", "read_pack", "replay_rule"]
