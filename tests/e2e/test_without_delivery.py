"""Events only wake up: with their delivery switched off, everything is still found and done."""

from pathlib import Path

from lilong.cli.demo.stage import Stage
from lilong.protocol.spec_yaml import parse_spec
from tests.hub import running_hub
from tests.polling import wait_until

SPEC = b"name: hello\ncommand: echo hello\nwalltime: 1m\nresources: {cores: 1, memory: 128MiB, disk: 32MiB}\n"


def test_an_order_settles_with_the_delivery_of_events_switched_off(tmp_path: Path):
    with running_hub(tmp_path / "hub", settings={"outbox_delivery": False}) as hub, Stage(hub=hub) as stage:
        stage.set_up()
        quote = stage.engineer.quotes.create(spec=parse_spec(SPEC))
        placed = stage.engineer.orders.place(quote_id=quote.quote_id)
        wait_until(lambda: stage.engineer.orders.get(placed.id).order.settled_at, within_s=90)
        order = stage.engineer.orders.get(placed.id).order

    assert order.run_state == "succeeded"
    assert (order.charged_uc or 0) + (order.refunded_uc or 0) == order.max_uc
