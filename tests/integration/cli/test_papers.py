"""Files for accountants from the command line and over HTTP, through a web process as it runs in earnest."""

import json
from datetime import date
from hashlib import sha256

import pytest

from lilong.common.periods import PeriodInvalid
from lilong.common.time import utc_now
from lilong.foundation.ledger.public import AccountKind, post_many, require_posted
from lilong.sdk.client import Lilong
from tests.api.calls import make_buyer_token
from tests.books import link, open_funded, post
from tests.integration.cli.commands import lilong
from tests.market import CREDIT, wallet_of
from tests.people import NOW, act
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)
RATE = {"currency": "CNY", "per_credit": "0.97", "valid_from": "2026-01-01T00:00:00Z", "source": "made up"}
DAYS = ("--from", "2026-01-01", "--until", "2026-04-01")


@pytest.fixture
def token():
    """Return the token of an organisation that paid 3 credits in March."""
    token = make_buyer_token()
    wallet = wallet_of(act(token, now=utc_now()))
    paid = post(wallet, open_funded(kind=AccountKind.PROVIDER_ACCRUING), 3 * CREDIT, code="storage")
    require_posted(results=post_many(groups=[link(paid)], now=NOW))
    return token


def test_charges_and_books_are_written_as_the_hub_says_them(token, tmp_path):
    with running_web(home=tmp_path / "home", credit_rates=json.dumps([RATE])) as web:
        env = {"LILONG_HUB": web.url, "LILONG_TOKEN": token}
        charges, books = tmp_path / "charges.csv", tmp_path / "books.beancount"
        written = lilong("wallet", "export", charges, *DAYS, "--json", env=env)
        said = lilong("wallet", "export", books, "--format", "beancount", *DAYS, env=env)
        shown = lilong("wallet", "--json", env=env)
        with Lilong(url=web.url, token=token) as hub:
            period = {"begins_on": date(2026, 1, 1), "ends_on": date(2026, 4, 1)}
            assert hub.wallet.download_focus(**period) == charges.read_bytes()
            assert hub.wallet.download_beancount(**period) == books.read_bytes()
            with pytest.raises(PeriodInvalid):
                hub.wallet.download_focus(begins_on=date(2026, 4, 1), ends_on=date(2026, 1, 1))

    assert json.loads(written.stdout)["sha256"] == sha256(charges.read_bytes()).hexdigest()
    assert "2.91," in charges.read_text()
    assert f"{len(books.read_bytes())} bytes" in said.stdout + said.stderr
    assert "  Expenses:Providers  3.000000 CREDIT" in books.read_text()
    assert json.loads(shown.stdout)["accounts"]


def test_without_a_rate_and_without_a_folder_it_says_what_to_do(token, tmp_path):
    with running_web(home=tmp_path / "home") as web:
        env = {"LILONG_HUB": web.url, "LILONG_TOKEN": token}
        unpriced = lilong("wallet", "export", tmp_path / "charges.csv", *DAYS, env=env)
        nowhere = lilong("wallet", "export", tmp_path / "no" / "f", "--format", "beancount", *DAYS, env=env)

    assert unpriced.returncode
    assert "credit_rates" in unpriced.stderr
    assert not (tmp_path / "charges.csv").exists()
    assert nowhere.returncode
    assert "Name a file in a folder" in nowhere.stderr
