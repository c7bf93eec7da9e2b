"""The ledger and the record as they are browsed: running balances, groups, proofs, and what strangers do not see."""

import re

import pytest

from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.queries.accounts import get_balances
from lilong.foundation.ledger.queries.explorer import TransferMissing, get_statement, get_transfer_sheet, sum_about
from lilong.foundation.record.models import Entry, Payload
from tests.desks import browse_as
from tests.market import found_buyer, pay_in, wallet_of
from tests.people import found_operator
from tests.sign_ins import Browser

pytestmark = pytest.mark.django_db(transaction=True)


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def list_lines(operator, account_id, *, limit):
    """Return change and balance of every line, page by page."""
    lines, cursor = [], None
    while True:
        statement = get_statement(actor=operator, account_id=account_id, cursor=cursor, limit=limit)
        lines += [(line.change_uc, line.balance_uc) for line in statement.lines]
        cursor = statement.next_cursor
        if cursor is None:
            return lines


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_a_running_balance_is_the_sum_of_all_before_it_however_the_pages_are_cut(limit):
    operator, buyer = found_operator(), found_buyer(wallet_uc=0)
    wallet = wallet_of(buyer)
    for amount_uc in (5, 7, 11, 13):  # all count for one moment
        pay_in(wallet, amount_uc)

    lines = list_lines(operator, wallet, limit=limit)
    assert sorted(change for change, _ in lines) == [5, 7, 11, 13]
    assert lines[0][1] == get_balances(account_ids=[wallet])[wallet].posted_uc == 36
    following = [*(balance for _, balance in lines[1:]), 0]
    assert all(balance - change == before for (change, balance), before in zip(lines, following, strict=True))


def test_the_balances_of_a_whole_trade_agree_with_the_books(filled):
    for account in Account.objects.all():
        lines = list_lines(filled.operator, account.id, limit=2)
        balance_uc = get_balances(account_ids=[account.id])[account.id].posted_uc

        assert (lines[0][1] if lines else 0) == balance_uc
        assert sum(change for change, _ in lines) == balance_uc


def test_a_transfer_shows_its_group_and_what_ended_it(filled):
    hold = Transfer.objects.filter(kind="pend", resolutions__isnull=False).order_by("pk")[0]
    sheet = get_transfer_sheet(actor=filled.operator, transfer_id=hold.id)

    assert hold.id in [each.id for each in sheet.group]
    assert {each.group_id for each in sheet.group} == {hold.group_id}
    assert [each.pending_id for each in sheet.later] == [hold.id]


def test_a_group_without_a_subject_is_found_by_accounts_and_moment(filled):
    transfer = Transfer.objects.filter(credit_account=wallet_of(filled.buyer), kind="post").order_by("pk")[0]
    sheet = get_transfer_sheet(actor=filled.operator, transfer_id=transfer.id)

    assert transfer.id in [each.id for each in sheet.group]
    with pytest.raises(TransferMissing):
        get_transfer_sheet(actor=filled.applicant, transfer_id=transfer.id)


def test_what_moved_about_some_subjects_counts_both_ways(filled):
    wallet = wallet_of(filled.buyer)
    transfers = Transfer.objects.filter(subject=filled.disputed_id).exclude(kind="pend")
    out = sum(each.amount_uc for each in transfers if each.debit_account_id == wallet)

    assert sum_about(account_id=wallet, subjects=[filled.disputed_id]) == -out < 0
    assert sum_about(account_id=wallet, subjects=[]) == 0


def test_books_are_recomputed_on_demand(filled):
    answer = browse_as(filled.operator).post("/desk/ledger/verification", {}, page="/desk/ledger")

    assert "Every stored sum is that of its transfers" in read(answer)
    assert browse_as(filled.operator).get("/desk/ledger/verification").status_code == 405


def test_accounts_are_listed_by_kind_and_owner(filled):
    owner = filled.buyer.organisation_id
    page = browse_as(filled.operator).get(f"/desk/ledger?kind=wallet&owner={owner}").content.decode()

    assert re.findall(r"/desk/ledger/accounts/(\w+)", page) == [wallet_of(filled.buyer)]
    nonsense = browse_as(filled.operator).get("/desk/ledger?kind=nonsense&cursor=%00")
    assert nonsense.status_code == 422


def test_an_approved_pay_out_is_noted_as_sent_with_the_banks_reference(filled):
    browser = browse_as(filled.operator)
    (pay_out_id,) = re.findall(
        r'name="pay_out_id" value="(\w+)"', browser.get("/desk/ledger/pay-outs").content.decode()
    )
    fields = {"pay_out_id": pay_out_id, "bank_reference": "BANK-1"}
    sent = browser.post("/desk/ledger/pay-outs", fields)

    assert sent.status_code == 302
    assert "BANK-1" in read(browse_as(filled.seller.owner).get("/provider/pay-outs"))
    assert "No approved pay-out waits to be sent." in read(browser.get("/desk/ledger/pay-outs"))


def test_a_provider_asks_for_exactly_what_the_form_says(filled):
    browser = browse_as(filled.seller.owner)
    assert browser.post("/provider/pay-outs", {"amount": "1.000001", "beneficiary": "Hall AG"}).status_code == 302
    assert "1.000001" in read(browser.get("/provider/pay-outs"))

    too_much = browser.post("/provider/pay-outs", {"amount": "100000", "beneficiary": "Hall AG"})
    assert too_much.status_code in {402, 429}
    assert browser.post("/provider/pay-outs", {"amount": "0", "beneficiary": "Hall AG"}).status_code == 200


def test_strangers_see_kinds_hashes_and_proofs_and_nothing_of_what_entries_say(filled):
    entry = Entry.objects.filter(kind="cases.decision", index__isnull=False).order_by("index")[0]
    stranger = Browser().get(f"/record/{entry.index}").content.decode()
    concerned = browse_as(filled.seller.owner).get(f"/record/{entry.index}").content.decode()
    secret = Payload.objects.get(pk=entry.id).content

    assert "cases.decision" in stranger
    assert "It stands under the head" in stranger
    for hidden in (entry.id, entry.subject_id, entry.commitment, "seen"):
        assert hidden in secret or hidden in concerned
        assert hidden not in stranger
    assert "This is opened for those it concerns." in stranger


def test_the_record_is_paged_backwards_to_its_first_entry(filled):
    size = Entry.objects.filter(index__isnull=False).count()
    page = "/record"
    seen: list[int] = []
    while page:
        text = Browser().get(page).content.decode()
        seen += map(int, re.findall(r'href="/record/(\d+)"', text))
        older = re.search(r'href="(\?before=\d+)"', text)
        page = f"/record{older[1]}" if older else ""

    assert seen == list(range(size - 1, -1, -1))


@pytest.mark.parametrize("path", ["/record/999999", "/record/99999999999999999999"])
def test_an_entry_beyond_the_head_is_not_found(filled, path):
    assert Browser().get(path).status_code == 404


@pytest.mark.parametrize("before", ["-1", "x", "99999999999999999999", "٣"])
def test_a_strange_place_shows_the_newest_entries(filled, before):
    assert Browser().get(f"/record?before={before}").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_fresh_record_says_what_opens_it():
    assert "The first decision of this hub opens the record." in read(Browser().get("/record"))
    assert Browser().get("/record/0").status_code == 404
