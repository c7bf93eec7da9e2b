"""A newcomer who knows nothing but words finds the way, without a dead end, in both languages."""

import sys

import pytest

from lilong.cli.demo.proof import recompute_charge, verify_record
from tests.browsing import NARROW, WIDE, Look
from tests.newcomer import format_table, walk_in


@pytest.mark.parametrize("look", [Look("en", "light", WIDE), Look("zh-hans", "dark", NARROW)], ids=str)
def test_a_newcomer_becomes_a_member_runs_a_job_and_checks_its_receipt_on_the_shortest_way(
    stage, browser, look, tmp_path, capsys
):
    context = look.open(browser, url=stage.hub.url)
    address = f"newcomer-{look}@example.org"
    walks = walk_in(
        context.new_page(),
        url=stage.hub.url,
        language=look.language,
        mails=stage.hub.home / "mail",
        folder=tmp_path,
        address=address,
    )
    context.close()
    with capsys.disabled():
        sys.stdout.write(f"\n{format_table({str(look): walks})}\n")

    assert [walk.dead_ends for walk in walks] == [[], [], []]
    assert [walk.clicks for walk in walks] == [walk.task.fewest_clicks for walk in walks]
    assert (tmp_path / "result.txt").read_text() == "42\n"
    assert recompute_charge(tmp_path).accepted
    assert verify_record(tmp_path).accepted
