"""The door of funding for the room that sells: what a rule would have cost, were it told which orders there were."""

from lilong.platforms.funding.core.deciding import Code
from lilong.platforms.funding.core.packs import CaseResult, RulePack, read_pack, run_cases
from lilong.platforms.funding.core.replay_outcome import Clause, Count, Outcome, Paid
from lilong.platforms.funding.queries.publishing import ProposalView, get_proposal
from lilong.platforms.funding.queries.replay import SoldOrder, replay_rule

__all__ = [
    "CaseResult",
    "Clause",
    "Code",
    "Count",
    "Outcome",
    "Paid",
    "ProposalView",
    "RulePack",
    "SoldOrder",
    "get_proposal",
    "read_pack",
    "replay_rule",
    "run_cases",
]
