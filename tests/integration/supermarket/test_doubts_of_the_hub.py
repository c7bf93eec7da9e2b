"""What follows once the hub itself doubts a charge: its case is decided by operators, and nobody else pays for it."""

import pytest

from lilong.foundation.cases.models import Case
from lilong.foundation.cases.public import CaseState, Decision, decide_case
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.states import OrderState, StepImpossible
from lilong.platforms.supermarket.models import Provider
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import Allocation, AttemptState, CheckpointNote, Reason, Usage
from tests.books import available_uc
from tests.bytes import digest, fresh
from tests.cheats import LATE, Cheat, price
from tests.market import CREDIT, PRICE_UC, finish, open_stall, wallet_of
from tests.people import found_operator
from tests.pools import at, bring, make_node

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState
SOLD = "h100-sxm5"


def decide(decision, *, now):
    case = Case.objects.get(kind="supermarket.dispute", state=CaseState.OPEN)
    decide_case(actor=found_operator(), case_id=case.id, decision=decision, reason="looked at the logs", now=now)
    for _ in range(2):
        reconcile(now=now)


def test_an_upheld_doubt_takes_the_charge_from_the_cheat_and_from_nobody_else():
    """The honest provider that took the run over keeps what it earned, though its attempt was the later one."""
    nodes = (make_node(name="n1", h100_sxm5=1),)
    honest = open_stall(name="b", price_uc=2 * PRICE_UC, fee_ppm=0, accelerator=SOLD, nodes=nodes)
    ordered = {"checkpoint": {"path": "state"}, "resources": {"accelerator": SOLD, "accelerators": 1}}
    cheat = Cheat(name="a", spec=ordered, accelerator=SOLD, nodes=nodes)
    note = leave_checkpoint(cheat)
    honest.agent.sync(seconds=1_199)
    ended = cheat.see(S.FAILED, seconds=1_200, ms=1_000_000, kept_ms=600_000, reason=Reason.SHIM_LOST, checkpoint=note)
    usage = Usage(metered_ms=1_000_000, usable_ms=600_000)
    given = (Allocation(node="n1", accelerator="a100-sxm4-80gb", count=1),)
    cheat.agent.sync(ended.model_copy(update={"usage": usage, "allocated": given}), seconds=1_200)
    finish(honest.agent, ms=50_000, seconds=1_201)
    charged_uc = cheat.settle().due_uc
    decide(Decision.APPROVE, now=at(LATE))
    cheat.order.refresh_from_db()
    reconcile(now=at(LATE) + DISPUTE_WINDOW)

    assert charged_uc == price(600_000) + 2 * price(50_000)
    assert cheat.order.due_uc == 2 * price(50_000)
    assert available_uc(wallet_of(cheat.buyer)) == 100 * CREDIT - 2 * price(50_000)
    assert cheat.available_uc() == 0
    assert available_uc(Provider.objects.get(id=honest.provider_id).available_account_id) == 2 * price(50_000)


def leave_checkpoint(cheat):
    """Upload a checkpoint of the cheat's attempt."""
    content = fresh(30)
    bring(cheat.agent, cheat.taken, content)
    file = ManifestFile(path="state.bin", sha256=digest(content), size_bytes=len(content))
    manifest = Manifest(files=(file,)).to_bytes()
    return CheckpointNote(manifest_sha256=bring(cheat.agent, cheat.taken, manifest), size_bytes=len(content))


def test_a_doubt_that_is_rejected_leaves_the_charge_and_gives_the_member_the_whole_window():
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=1_200, ms=1_000_000, metered_ms=1_100_000)
    cheat.settle()
    decided_at = at(LATE) + 2 * DISPUTE_WINDOW
    decide(Decision.REFUSE, now=decided_at)
    cheat.order.refresh_from_db()

    assert (cheat.order.state, cheat.order.due_uc) == (OrderState.SETTLED, price(1_000_000))
    assert (cheat.order.released_at, cheat.order.releasable_at) == (None, decided_at + DISPUTE_WINDOW)
    reconcile(now=decided_at + DISPUTE_WINDOW)
    assert cheat.available_uc() == price(1_000_000)


def test_a_members_own_claim_waits_for_the_hubs_question_and_is_in_time_after_it():
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=1_200, ms=1_000_000, metered_ms=1_100_000)
    cheat.settle()

    def claim(now):
        return open_dispute(actor=cheat.buyer, order_id=cheat.order.id, claim_uc=1, reason="it was slow", now=now)

    with pytest.raises(StepImpossible):
        claim(at(LATE))
    decided_at = at(LATE) + 2 * DISPUTE_WINDOW
    decide(Decision.REFUSE, now=decided_at)

    assert claim(decided_at + DISPUTE_WINDOW / 2)


def test_a_doubt_is_opened_once_and_names_the_attempts_and_both_meters():
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=1_200, ms=1_000_000, metered_ms=1_100_000)
    for _ in range(3):
        cheat.settle()
    [case] = Case.objects.filter(kind="supermarket.dispute")

    assert (case.opened_by, case.organisation_id) == ("hub", cheat.buyer.organisation_id)
    assert case.facts == {
        "attempt_ids": [cheat.taken.attempt_id],
        "claim_uc": price(1_000_000),
        "due_uc": price(1_000_000),
        "order_id": cheat.order.id,
        "reason": "Attempt 1: The engine metered 1100.000 s, the job's own reports bear out 1000.000 s.",
    }
