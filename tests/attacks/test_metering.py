"""A provider that cheats at its meter, at the hub's door: each cheat is caught, or bounded by the number asserted here.

Caught: what was charged for the attempt is frozen and a case is opened, decided by operators. Bounded: what the cheat
can gain at most. docs/explanation/metering.md tells both. An old benchmark replayed is no cheat yet: nothing here is
sold by a benchmark.
"""

from pathlib import Path

import pytest

from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.reports import FIRST_MAC, sign_report
from lilong.foundation.runs.public import cancel_run
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Dispute
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.protocol.messages import (
    Allocation,
    AttemptState,
    Reason,
    ReportKind,
    SignedReport,
    Usage,
)
from lilong.web.config import load_settings
from tests.books import available_uc
from tests.cheats import LATE, Cheat, price
from tests.market import CREDIT, buy, pay_in, wallet_of
from tests.people import NOW
from tests.pools import at, make_node

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState
SOLD, CHEAPER = "h100-sxm5", "a100-sxm4-80gb"


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    """Give the hub a home folder of its own."""
    settings.LILONG = load_settings().model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()
    folder: Path = tmp_path
    return folder


# Ten per cent added.


def test_ten_per_cent_added_to_the_engines_meter_is_never_charged_and_caught_beyond_two_heartbeats():
    """Gain: 0 ms. Caught when the meters are more than 10 s apart: from jobs of 100 s on, at ten per cent."""
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=1_200, ms=1_000_000, metered_ms=1_100_000)

    assert cheat.settle().due_uc == price(1_000_000)
    assert cheat.is_caught()
    assert "The engine metered 1100.000 s, the job's own reports bear out 1000.000 s." in Dispute.objects.get().reason


def test_ten_per_cent_of_a_short_job_pass_unseen_and_are_not_charged_either():
    """Gain: 0 ms, whatever is added below the tolerance."""
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=200, ms=99_000, metered_ms=99_000 + POLICY.tolerance_ms)

    assert POLICY.tolerance_ms == 10_000
    assert cheat.settle().due_uc == price(99_000)
    assert not cheat.is_caught()


def test_ten_per_cent_added_to_both_meters_gains_no_more_than_the_time_that_the_hub_waited_for_the_end():
    """Gain: up to the hub's own clock, from the moment it told the agent (1 s) to the moment it hears of the end.

    The agent makes the key of the reports, so it can forge them: a job of 1 000 s whose end is told at 1 002 s passes
    for one of 1 001 s, and the member has the dispute window for the rest.
    """
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=1_002, ms=1_100_000)

    assert cheat.attempt.billable_ms == (1_002 - 1) * 1_000
    assert cheat.settle().due_uc == price(1_001_000)


def test_added_time_never_exceeds_what_was_held():
    """Gain: the authority at most, which the hold pays for."""
    cheat = Cheat(spec={"walltime_s": 600})
    cheat.tell(S.SUCCEEDED, seconds=20_000, ms=19_000_000)

    assert cheat.attempt.billable_ms == 600_000
    assert cheat.settle().due_uc == cheat.order.max_uc == price(600_000)


# A back-dated start.


def test_a_back_dated_start_is_no_earlier_than_the_moment_at_which_the_agent_was_told():
    """Gain: 0 ms by the start itself; both meters stay bounded by the time since the agent was told (1 s)."""
    cheat = Cheat()
    cheat.tell(S.SUCCEEDED, seconds=101, ms=3_600_000, started_at=at(-3_500))

    assert (cheat.attempt.started_at, cheat.attempt.billable_ms) == (at(1), 100_000)


def test_a_back_dated_start_does_not_stretch_the_grace_after_a_stop():
    """Gain: at most the time from the moment at which the agent was told (1 s) to the start (here 59 s)."""
    cheat = Cheat()
    cheat.tell(S.RUNNING, seconds=70, ms=10_000, started_at=at(-3_500))
    cancel_run(run_id=cheat.order.run_id, reason=Reason.CANCELLED_BY_MEMBER, now=at(80))
    ended = {"reason": Reason.CANCELLED_BY_MEMBER, "started_at": at(-3_500)}
    cheat.tell(S.CANCELLED, seconds=900, ms=840_000, **ended)

    honest_ms, grace_ms = (80 - 60) * 1_000, POLICY.grace_s * 1_000
    assert cheat.attempt.billable_ms == (80 - 1) * 1_000 + grace_ms == honest_ms + grace_ms + 59_000


# A dead node billed on.


def test_a_dead_node_is_billed_up_to_its_last_report_and_caught():
    """Gain: 0 ms after the last report; a heartbeat comes every 5 s."""
    cheat = Cheat()
    cheat.tell(S.RUNNING, seconds=62, ms=60_000)
    for second in range(100, 1_000, 100):
        dead = cheat.see(S.RUNNING, seconds=second, ms=0, metered_ms=1_000 * second, reports=(), started_at=at(2))
        cheat.agent.sync(dead, seconds=second)
    assert cheat.attempt.billable_ms == 60_000
    cheat.agent.sync(cheat.see(S.SUCCEEDED, seconds=1_000, ms=0, metered_ms=990_000, started_at=at(2)), seconds=1_000)

    assert cheat.settle().due_uc == price(60_000)
    assert cheat.is_caught()


# Usage and reports replayed.


def test_reports_of_another_attempt_break_the_chain_and_support_nothing():
    """Gain: 0 ms: a report is bound to its attempt and the hub's nonce."""
    cheat = Cheat()
    other = buy(cheat.buyer)
    long_ago = cheat.agent.take(seconds=2)
    full = cheat.agent.see(long_ago, S.SUCCEEDED, seconds=500, ms=400_000)
    cheat.tell(S.SUCCEEDED, seconds=500, ms=0, metered_ms=400_000, reports=full.reports, report_counts={0: 2})

    assert (cheat.attempt.metered_ms, cheat.attempt.billable_ms, cheat.attempt.meters_agree) == (400_000, 0, False)
    assert cheat.settle().due_uc == 0
    assert other.id != cheat.order.id


def test_usage_told_again_adds_nothing_and_a_settled_attempt_stays_as_it_is():
    """Gain: 0 ms: usage is cumulative."""
    cheat = Cheat()
    first = cheat.see(S.SUCCEEDED, seconds=500, ms=400_000)
    for second in (500, 600, 700):
        cheat.agent.sync(first, seconds=second)
    grown = first.model_copy(update={"usage": Usage(metered_ms=3_000_000)})
    cheat.agent.sync(grown, seconds=4_000)

    assert (cheat.attempt.metered_ms, cheat.attempt.billable_ms) == (400_000, 400_000)
    assert cheat.settle().due_uc == price(400_000)


def test_reports_of_the_same_attempt_told_again_or_begun_anew_add_nothing():
    """Gain: 0 ms: each sequence counts once, and a second beginning fits no chain."""
    cheat = Cheat()
    cheat.tell(S.RUNNING, seconds=62, ms=60_000)
    early = cheat.see(S.RUNNING, seconds=122, ms=120_000)
    for second in (122, 200, 300):
        cheat.agent.sync(early.model_copy(update={"observed_at": at(second)}), seconds=second)
    cheat.agent.reports.clear()
    anew = cheat.see(S.RUNNING, seconds=400, ms=390_000, report_key="ab" * 32)
    cheat.agent.sync(anew, seconds=400)

    assert cheat.attempt.billable_ms == 120_000


# Forged reports, and gaps.


def forge(report, **change):
    return report.model_copy(update=change)


@pytest.mark.parametrize(
    ("spoil", "supported_ms"),
    [
        (lambda reports: [*reports[:2], forge(reports[2], mac="0" * 64)], 60_000),
        (lambda reports: [*reports[:2], forge(reports[2], elapsed_ms=900_000)], 60_000),
        (lambda reports: [*reports[:2], forge(reports[2], sequence=3)], 60_000),
        (lambda reports: [reports[0], reports[2]], 0),
        (lambda reports: reports[1:], 0),
    ],
    ids=["another mac", "another time", "a gap at the end", "a report left out", "no start"],
)
def test_after_a_forged_report_or_a_gap_nothing_counts(spoil, supported_ms):
    """Gain: 0 ms beyond the last good report. Caught where anything was charged."""
    cheat = Cheat()
    cheat.see(S.RUNNING, seconds=62, ms=60_000)
    honest = cheat.see(S.SUCCEEDED, seconds=600, ms=590_000)
    spoiled = tuple(spoil(list(honest.reports)))
    cheat.agent.sync(honest.model_copy(update={"reports": spoiled}), seconds=600)

    assert cheat.settle().due_uc == price(supported_ms)  # once the hub has waited in vain for what is missing
    assert cheat.is_caught() is bool(supported_ms)


def test_a_chain_cannot_be_carried_on_with_a_key_of_ones_own():
    """Gain: 0 ms: the first key that the hub was told stands."""
    cheat = Cheat()
    cheat.tell(S.RUNNING, seconds=62, ms=60_000)
    last = cheat.agent.reports[cheat.taken.attempt_id, 0][-1]
    bare = SignedReport(rank=0, sequence=2, kind=ReportKind.HEARTBEAT, elapsed_ms=500_000, mac=FIRST_MAC)
    mac = sign_report(
        key=b"mine", nonce=cheat.taken.nonce, attempt_id=cheat.taken.attempt_id, report=bare, previous_mac=last.mac
    )
    signed = bare.model_copy(update={"mac": mac})
    said = {"report_key": b"mine".hex(), "reports": (signed,), "started_at": at(2)}
    cheat.tell(S.RUNNING, seconds=600, ms=0, metered_ms=590_000, **said)

    assert cheat.attempt.billable_ms == 60_000


# What a fault would pay.


def test_a_meter_that_runs_ahead_takes_nothing_out_of_the_reserve():
    """Gain: 0: what the hub's fault wasted is what both meters support (here 40 s of 900)."""
    cheat = Cheat()
    reserve = open_account(kind=AccountKind.SERVICE_RESERVE, owner_id="hub", purpose="", now=NOW)
    pay_in(reserve, CREDIT)
    cheat.tell(S.RUNNING, seconds=42, ms=40_000)
    cancel_run(run_id=cheat.order.run_id, reason=Reason.CANCELLED_BY_HUB, now=at(900))
    cheat.tell(S.CANCELLED, seconds=901, ms=40_000, metered_ms=899_000, reason=Reason.CANCELLED_BY_HUB)

    assert cheat.settle().due_uc == 0
    assert available_uc(reserve) == CREDIT - price(40_000)


def test_a_meter_that_runs_behind_saves_no_credit():
    """Gain: 0: what the provider's own fault wasted is what either meter says (here 400 s, by the job's reports)."""
    cheat = Cheat(spec={"max_attempts": 1}, credit_ppm=1_000_000)
    reserve = open_account(kind=AccountKind.SERVICE_RESERVE, owner_id="hub", purpose="", now=NOW)
    pay_in(reserve, CREDIT)
    cheat.tell(S.LOST, seconds=402, ms=400_000, metered_ms=1_000, reason=Reason.NODE_LOST)

    assert cheat.settle().due_uc == 0
    assert available_uc(wallet_of(cheat.buyer)) == 100 * CREDIT + price(400_000)


# A cheaper accelerator swapped in.


def sell_accelerators():
    """Sell two accelerators on one node, on a pool that has a node of those and one of cheaper ones."""
    nodes = (make_node(name="n1", h100_sxm5=2), make_node(name="n2", a100_sxm4_80gb=2))
    resources = {"accelerator": SOLD, "accelerators": 2}
    return Cheat(spec={"resources": resources}, accelerator=SOLD, nodes=nodes)


def given(node, accelerator, count):
    return Allocation(node=node, accelerator=accelerator, count=count)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"allocated": (given("n2", CHEAPER, 2),)}, f"Node n2 gave 0 of {SOLD} and 2 of {CHEAPER}"),
        ({"allocated": (given("n1", SOLD, 1),)}, f"Node n1 gave 1 of {SOLD}"),
        ({"allocated": (given("n1", SOLD, 1), given("n1", CHEAPER, 1))}, f"1 of {SOLD} and 1 of {CHEAPER}"),
        ({"nodes": ("n2",)}, f"Node n2 has 0 of {SOLD} by its pool's own inventory"),
    ],
    ids=["another kind", "fewer", "a mixture", "a node without any"],
)
def test_a_cheaper_accelerator_is_caught_where_the_engine_or_the_inventory_tells(said, why):
    """Caught once it was said of any moment of the attempt, whatever is said later."""
    cheat = sell_accelerators()
    cheat.tell(S.RUNNING, seconds=62, ms=60_000, **said)
    cheat.tell(S.SUCCEEDED, seconds=123, ms=120_000, nodes=("n1",), allocated=(given("n1", SOLD, 2),))
    charged_uc = cheat.settle().due_uc

    assert charged_uc == 2 * price(120_000)
    assert cheat.is_caught()
    assert why in cheat.attempt.allocation_problem
    assert why in Dispute.objects.get().reason


@pytest.mark.parametrize("said", [{}, {"nodes": ("n1",), "allocated": (given("n1", SOLD, 2),)}, {"nodes": ("n9",)}])
def test_a_swap_of_which_every_word_is_a_lie_gains_the_charge_unless_the_member_claims_it_in_the_window(said):
    """Bound: the whole charge, as nothing proves what a machine is. It is not the provider's for 7 days."""
    cheat = sell_accelerators()
    cheat.tell(S.SUCCEEDED, seconds=123, ms=120_000, **said)
    charged_uc = cheat.settle().due_uc
    last_moment = LATE + DISPUTE_WINDOW.total_seconds() - 1

    assert (cheat.order.state, charged_uc) == (OrderState.SETTLED, 2 * price(120_000))
    assert cheat.available_uc() == 0
    open_dispute(
        actor=cheat.buyer, order_id=cheat.order.id, claim_uc=charged_uc, reason="it was slow", now=at(last_moment)
    )
    assert cheat.is_caught()
