"""However the words of one honest agent are doubled, delayed and shuffled: same end, same bill."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.runs.core.attempts import AttemptFacts, decide_attempt
from lilong.foundation.runs.core.billing import Meters, compute_bill
from lilong.foundation.runs.core.policy import POLICY
from lilong.foundation.runs.core.reports import read_chains
from lilong.foundation.runs.core.table import REASONS
from lilong.protocol.messages import AttemptState, CheckpointNote, Observation, Reason
from tests.unit.runs.attempts import EVERYTHING, at, make_attempt, observe, sign_reports

S = AttemptState
BEFORE = (S.SUBMITTED, S.QUEUED, S.STAGING, S.STARTING)
NODES = 2
MUCH_LATER = at(10_000)


@st.composite
def stories(draw) -> list[Observation]:
    """What one agent says of one attempt, in order: it waits, runs with pauses, may be stopped, ends."""
    waits = draw(st.lists(st.sampled_from(BEFORE), unique=True).map(lambda states: sorted(states, key=BEFORE.index)))
    runs = draw(st.lists(st.sampled_from([S.RUNNING, S.SUSPENDED]), max_size=8))
    stops = draw(st.sampled_from([(), (S.STOPPING,)])) if runs else ()
    beats = draw(st.lists(st.integers(1, 5_000), min_size=len(runs), max_size=len(runs)))
    ends = [reason for reason, rule in REASONS.items() if rule.ends and not (runs and rule.ends[0] is S.REJECTED)]
    reason = draw(st.sampled_from(ends))
    elapsed_ms = [sum(beats[: count + 1]) for count in range(len(beats))]
    checkpoint_ms = draw(st.integers(0, 20_000))
    chains = [sign_reports(elapsed_ms, rank=rank, end=bool(runs), checkpoint_ms=checkpoint_ms) for rank in range(NODES)]
    told: list[Observation] = []
    for second, state in enumerate([*waits, *runs, *stops, REASONS[reason].ends[0], REASONS[reason].ends[0]]):
        ran = max(0, second + 1 - len(waits))
        metered_ms = elapsed_ms[min(ran, len(runs)) - 1] if ran and runs else 0
        ended = second >= len(waits) + len(runs) + len(stops)
        first = draw(st.integers(0, ran)) if not ended else 0
        window = [report for chain in chains for report in chain[first : ran + 1]] if runs and ran else []
        told.append(
            observe(
                state,
                seconds=20 + 5 * second,
                metered_ms=metered_ms,
                usable_ms=min(metered_ms, checkpoint_ms),
                started_at=at(20 + 5 * len(waits)) if ran and runs else None,
                ended_at=at(19 + 5 * (len(waits) + len(runs) + len(stops))) if ended else None,
                reason=reason if ended else None,
                detail=f"word {second}",
                reports=tuple(window),
                report_counts={rank: len(chain) for rank, chain in enumerate(chains)} if ended and runs else {},
                log_bytes={0: 10 * ran},
                checkpoint=CheckpointNote(manifest_sha256=f"{ran:064x}", size_bytes=ran) if ran else None,
            )
        )
    told[-1] = told[-1].model_copy(update={"outputs_complete": True})
    return told


def hear(observations: list[Observation]) -> AttemptFacts:
    """Return the attempt after these words and, as agents repeat themselves until heard, the last one once more."""
    attempt = make_attempt(nodes=NODES)
    for observation in observations:
        now = max(MUCH_LATER, observation.observed_at + timedelta(seconds=1))
        attempt = decide_attempt(attempt, observation, kept=EVERYTHING, stopped_at=None, now=now)
    return attempt


def bill(attempt: AttemptFacts):
    return compute_bill(
        Meters(
            state=attempt.state,
            fault=attempt.fault,
            metered_ms=attempt.metered_ms,
            usable_ms=attempt.usable_ms,
            reported=read_chains(attempt.chains, nodes=attempt.nodes),
            granted_ms=10**9,
            kept_checkpoint=attempt.checkpoint is not None,
            started_at=attempt.started_at,
            stopped_at=None,
            grace_s=10,
        ),
        policy=POLICY,
    )


@given(stories(), st.data())
def test_words_doubled_and_shuffled_end_and_cost_the_same(told, data):
    heard = data.draw(st.lists(st.sampled_from(told), max_size=3 * len(told)).flatmap(st.permutations))

    in_order = hear(told)
    shuffled = hear([*heard, told[-1]])

    assert in_order.settled_at is not None
    assert shuffled == in_order
    assert bill(shuffled) == bill(in_order)


@given(stories())
def test_hearing_everything_twice_changes_nothing(told):
    once = hear(told)

    assert hear([*told, *told]) == once


@given(stories())
def test_a_bill_never_shrinks_while_work_goes_on(told):
    attempt, last_ms = make_attempt(nodes=NODES), 0
    for observation in told:
        attempt = decide_attempt(attempt, observation, kept=EVERYTHING, stopped_at=None, now=MUCH_LATER)
        if attempt.has_ended:
            break
        assert bill(attempt).billable_ms >= last_ms
        last_ms = bill(attempt).billable_ms


@given(stories())
def test_only_a_settled_attempt_is_done_and_it_always_gets_there(told):
    attempt = hear(told)

    assert attempt.reason is not None
    assert attempt.reason is not Reason.WAITING_FOR_CAPACITY
    assert attempt.fault is not None
    assert attempt.settled_at == MUCH_LATER
