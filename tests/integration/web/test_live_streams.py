"""Streams of a web process as it runs in earnest: they are capped, and end whole when the process is asked to."""

import os
import signal

import httpx
import pytest

from lilong.protocol.messages import AttemptState
from tests.market import buy, found_buyer, open_stall
from tests.running_web import running_web
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running_order():
    """Return a buyer and an order of theirs that runs."""
    stall, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    taken = stall.agent.take(seconds=1)
    stall.agent.sync(stall.agent.see(taken, AttemptState.RUNNING, seconds=3, ms=1000), seconds=3)
    return buyer, order


def test_a_stream_over_the_cap_is_refused_and_all_end_whole_with_the_process(running_order, settings):
    buyer, order = running_order
    cookies = {"lilong-session": browse_as(buyer).cookies["lilong-session"].value}
    with (
        running_web(home=settings.LILONG.home, web_streams=1) as web,
        httpx.Client(base_url=web.url, cookies=cookies) as client,
    ):
        place = f"/runs/{order.run_id}/log/stream"
        with client.stream("GET", place, timeout=30) as answer:
            lines = answer.iter_lines()
            assert (answer.status_code, next(lines)) == (200, "retry: 3000")
            refused = client.get(place)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "15")

            os.kill(web.list_pids()[0], signal.SIGTERM)
            rest = list(lines)  # a connection that broke off would raise

        assert "event: attempt" in rest
