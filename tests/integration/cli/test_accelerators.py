"""Accelerators from the command line and by the SDK, through a web process as it runs in earnest."""

import json
from datetime import date

import pytest

from lilong.common.errors import NotFound
from lilong.common.time import utc_now
from lilong.sdk.accelerators import Source
from lilong.sdk.client import Lilong
from tests.integration.cli.commands import lilong
from tests.people import found_organisation_today, make_operator_token
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hub(tmp_path):
    with running_web(home=tmp_path / "home") as web:
        yield web


def test_accelerators_are_listed_shown_claimed_and_disclaimed(hub):
    env = {"LILONG_HUB": hub.url, "LILONG_TOKEN": found_organisation_today().token.secret}
    listed = lilong("accelerators", env=env)
    assert "ascend-910b" in listed.stdout
    assert "昇腾910B" in listed.stdout
    assert len(json.loads(lilong("accelerators", "--json", env=env).stdout)) == 31
    shown = lilong("accelerators", "昇腾 910b", env=env)
    assert "313.182 TFLOPS" in shown.stdout
    assert "disputed" in shown.stdout
    assert "lilong shop --accelerator ascend-910b" in shown.stderr
    unknown = lilong("accelerators", "MI300", "--json", env=env)
    assert unknown.returncode == 5
    assert "mi300x" in json.loads(unknown.stderr)["detail"]

    with Lilong(url=hub.url, token=make_operator_token(now=utc_now())) as operator, Lilong(url=hub.url) as stranger:
        source = Source(title="A board in hand", dated_on=date(2026, 1, 31))
        claim_id = operator.accelerators.add_claim(
            "H100", property="memory_gb", value="94", tier="operator", confidence="low", source=source
        )
        assert stranger.accelerators.get_claim(claim_id).sources == (source,)
        ended = operator.accelerators.withdraw_claim(claim_id, reason="Another board.")
        assert ended.end is not None
        assert ended.end.reason == "Another board."
        assert stranger.accelerators.get("H100").ended == (ended,)
        with pytest.raises(NotFound):
            stranger.accelerators.get("H10O")
