import os
import subprocess
import sys

import pytest
from django.core.management import call_command

from lilong.foundation.ledger.public import AccountKind, post_many, require_posted
from tests.books import NOW, link, open_funded, pend, post, settle

pytestmark = pytest.mark.django_db


def bean_check(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run bean-check in an environment of its own: Beancount is under the GPL and no part of Lilong."""
    command = [sys.executable, "-m", "uv", "tool", "run", "--from", "beancount>=3,<4", "bean-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture
def checker():
    offered = bean_check("--help")
    if offered.returncode:
        pytest.skip(f"Beancount cannot be installed here: {offered.stderr[-200:]}")
    return bean_check


def test_bean_check_accepts_the_whole_books_and_no_false_sum(checker, tmp_path):
    wallet, escrow = open_funded(amount_uc=12_345_678), open_funded(kind=AccountKind.ORDER_ESCROW)
    payable, fee = open_funded(kind=AccountKind.PROVIDER_ACCRUING), open_funded(kind=AccountKind.HUB_FEE)
    hold = pend(wallet, escrow, 5_000_001)
    settlement = link(settle(hold, 4_000_001), post(escrow, payable, 4_000_000), post(escrow, fee, 1, code='a "fee"'))
    require_posted(results=post_many(groups=[link(hold), settlement], now=NOW))
    books = tmp_path / "books.beancount"

    call_command("ledger_export", os.fspath(books))

    accepted = checker(os.fspath(books))
    assert accepted.returncode == 0, accepted.stderr + accepted.stdout
    text = books.read_text()
    assert "4.000001 CREDIT" in text
    books.write_text(text.replace("4.000001 CREDIT", "4.000002 CREDIT", 1))
    assert checker(os.fspath(books)).returncode != 0
