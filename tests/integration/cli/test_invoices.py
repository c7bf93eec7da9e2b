"""Invoices from the command line, through a web process as it runs in earnest."""

import json
from datetime import UTC, datetime

import pytest

from lilong.common.time import utc_now
from lilong.foundation.ledger.public import AccountKind, post_many, require_posted
from lilong.foundation.ledger.public.moves import close_period
from lilong.platforms.supermarket.services.invoice_terms import describe_party
from tests.api.calls import make_buyer_token
from tests.books import link, open_funded, post
from tests.integration.cli.commands import lilong
from tests.integration.cli.test_papers import RATE
from tests.market import CREDIT, wallet_of
from tests.people import NOW, act, make_operator_token
from tests.running_web import running_web

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_operator_issues_a_month_and_a_member_lists_and_downloads_it(tmp_path):
    member, operator = make_buyer_token(), make_operator_token(now=utc_now())
    wallet = wallet_of(act(member, now=utc_now()))
    paid = post(wallet, open_funded(kind=AccountKind.PROVIDER_ACCRUING), 3 * CREDIT, code="storage")
    require_posted(results=post_many(groups=[link(paid)], now=NOW))
    hub = act(operator, now=utc_now())
    describe_party(actor=hub, name="Lane Hub Ltd", address="1 Lane", tax_number="", now=utc_now())
    file = tmp_path / "invoice.pdf"
    with running_web(home=tmp_path / "home", credit_rates=json.dumps([RATE])) as web:
        by_hub, own = ({"LILONG_HUB": web.url, "LILONG_TOKEN": token} for token in (operator, member))
        early = lilong("invoices", "issue", "2026-03", env=by_hub)
        close_period(actor=hub, ends_at=datetime(2026, 4, 1, tzinfo=UTC), now=utc_now())
        issued = lilong("invoices", "issue", "2026-03", "--json", env=by_hub)
        again = lilong("invoices", "issue", "2026-03", env=by_hub)
        listed = lilong("invoices", "list", "--json", env=own)
        shown = lilong("invoices", "list", env=own)
        written = lilong("invoices", "download", "INV-2026-000001", file, "--language", "zh-hans", env=own)
        unknown = lilong("invoices", "download", "INV-2026-000009", file, env=own)

    assert early.returncode
    assert "Close them" in early.stderr
    assert json.loads(issued.stdout) == {"issued": ["INV-2026-000001"], "refused": []}
    assert "0 papers of 2026-03 are issued now." in again.stdout + again.stderr
    (invoice,) = json.loads(listed.stdout)["invoices"]
    assert (invoice["total_minor"], invoice["currency"]) == (291, "CNY")
    assert "2.91 CNY" in shown.stdout
    assert not written.returncode
    assert file.read_bytes().startswith(b"%PDF-")
    assert unknown.returncode
    assert "invoices list" in unknown.stderr
