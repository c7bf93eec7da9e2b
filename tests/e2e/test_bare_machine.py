"""A hub on a machine without bubblewrap: it says so, refuses untrusted work, and runs what is declared as trusted."""

import pytest

from lilong.cli.demo.stage import Stage
from lilong.common.errors import LilongError
from lilong.protocol.spec import Isolation
from lilong.protocol.spec_yaml import parse_spec
from tests.hub import running_hub
from tests.machines import make_path_without
from tests.polling import wait_until

UNTRUSTED = parse_spec(
    b"name: hello\ncommand: echo hello\nwalltime: 1m\nresources: {cores: 1, memory: 128MiB, disk: 32MiB}\n"
)
TRUSTED = UNTRUSTED.model_copy(update={"isolation": Isolation.TRUSTED})


def test_without_bubblewrap_untrusted_work_is_refused_with_the_fix_and_trusted_work_is_paid_as_ever(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", make_path_without("bwrap", folder=tmp_path / "bin"))
    with running_hub(tmp_path / "hub") as hub, Stage(hub=hub) as stage:
        stage.appoint_operators()
        joined = stage.connect_pool().preflight
        stage.open_shop()
        stage.fund_programme()
        stage.sign_up_engineer()
        stage.top_up()
        with pytest.raises(LilongError) as refused:
            stage.engineer.quotes.create(spec=UNTRUSTED)
        [left_out] = stage.engineer.quotes.check(spec=UNTRUSTED).left_out
        placed = stage.engineer.orders.place(quote_id=stage.engineer.quotes.create(spec=TRUSTED).quote_id)
        wait_until(lambda: stage.engineer.orders.get(placed.id).order.settled_at, within_s=90)
        order = stage.engineer.orders.get(placed.id).order

    assert not joined.sandbox
    assert any("apt-get install bubblewrap" in warning.message for warning in joined.warnings)
    assert refused.value.code == "quote.no_offer"
    assert "apt-get install bubblewrap" in left_out.message
    assert order.run_state == "succeeded"
