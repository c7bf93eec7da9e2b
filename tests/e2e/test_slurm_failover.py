"""The story of `make demo-slurm`: a node of one real cluster dies, and the order ends on the other."""

import pytest

from lilong.platforms.supermarket.core.pricing import price_time
from tests.slurm.demo import play
from tests.slurm.stage import PRICE_STEP_UC, PRICE_UC


@pytest.mark.timeout(600)
def test_an_order_outlives_the_node_it_began_on_and_pays_each_provider_for_what_was_kept(tmp_path):
    outcome = play(tmp_path)
    first, second = outcome.run.attempts
    order = outcome.detail.order

    assert outcome.succeeded
    assert (first.state, first.reason, second.resumed) == ("lost", "node_lost", True)
    assert order.charged_uc == sum(
        price_time(price_uc=PRICE_UC + rank * PRICE_STEP_UC, units=1, duration_ms=attempt.billable_ms)
        for rank, attempt in enumerate(outcome.run.attempts)
    )
    assert order.state == "settled"
