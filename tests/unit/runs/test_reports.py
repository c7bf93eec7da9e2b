import pytest

from lilong.foundation.runs.core.reports import RankChain, extend_chains, is_complete, read_chains
from lilong.protocol.messages import ReportKind
from tests.unit.runs.attempts import KEY, NONCE, sign_reports


def extend(reports, *, chains=None, nodes=1, nonce=NONCE, attempt_id="att_1"):
    key = bytes.fromhex(KEY)
    return extend_chains(chains or {}, reports, key=key, nonce=nonce, attempt_id=attempt_id, nodes=nodes)


def test_a_whole_chain_proves_its_last_report():
    chain = extend(sign_reports([5_000, 10_000, 12_345], end=True, checkpoint_ms=10_000))[0]

    assert (chain.elapsed_ms, chain.checkpoint_ms, chain.ended, chain.broken) == (12_345, 10_000, True, False)


def test_windows_that_overlap_add_up():
    reports = sign_reports([1_000, 2_000, 3_000])

    assert extend(reports[1:], chains=extend(reports[:2])) == extend(reports)


def test_reports_behind_a_gap_wait():
    reports = sign_reports([1_000, 2_000, 3_000])

    assert extend(reports[2:], chains=extend(reports[:1]))[0].next_sequence == 1


@pytest.mark.parametrize("change", [{"elapsed_ms": 99_000}, {"checkpoint_ms": 1}, {"kind": ReportKind.END}])
def test_a_changed_report_breaks_the_chain(change):
    reports = sign_reports([1_000, 2_000, 3_000])
    forged = (reports[0], reports[1].model_copy(update=change), *reports[2:])

    chain = extend(forged)[0]

    assert chain.broken
    assert chain.elapsed_ms == 0


@pytest.mark.parametrize("other", [{"nonce": "another"}, {"attempt_id": "att_2"}])
def test_reports_of_another_attempt_prove_nothing(other):
    assert extend(sign_reports([1_000]), **other)[0] == RankChain(broken=True)


def test_time_that_goes_backwards_breaks_the_chain():
    assert extend(sign_reports([5_000, 1_000]))[0].broken


def test_nothing_follows_an_end():
    reports = sign_reports([1_000, 2_000])
    ended = extend(sign_reports([1_000], end=True))

    assert not extend(reports[:2], chains=ended)[0].broken
    assert extend(reports[2:], chains=ended)[0].broken


def test_a_gang_counts_while_its_slowest_rank_runs():
    chains = extend([*sign_reports([9_000], rank=0), *sign_reports([4_000], rank=1)], nodes=2)

    assert read_chains(chains, nodes=2).elapsed_ms == 4_000
    assert read_chains(chains, nodes=3).elapsed_ms == 0


def test_ranks_that_the_attempt_does_not_have_are_ignored():
    assert extend(sign_reports([9_000], rank=7)) == {}
    assert is_complete({}, counts={7: 2}, nodes=1)
