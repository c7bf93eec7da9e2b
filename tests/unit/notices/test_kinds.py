from datetime import UTC, datetime, timedelta

import pytest

from lilong.common.permissions import Role
from lilong.foundation.notices.core.digests import HOUR, WaitingLetter, plan_mails
from lilong.foundation.notices.core.kinds import MailRule, NoticeKind, NoticeKindWrong, read_kinds, word_notice
from lilong.foundation.notices.core.retries import MAIL_WAITS_S, WEBHOOK_WAITS_S, find_next_try
from lilong.foundation.notices.core.signing import sign_delivery
from lilong.foundation.notices.queries.kinds import load_kinds

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = {"en": "Paid $amount_uc by $due_at", "zh-hans": "$due_at 前支付 $amount_uc"}


def make_kind(mail=MailRule.NOW, *, is_security=False):
    return NoticeKind("x.paid", frozenset({Role.OWNER}), mail, is_security, TEXTS, TEXTS, "")


def plan(kind, count, *, now=NOON, at_once=0):
    letters = [WaitingLetter(str(number), kind.code, NOON) for number in range(count)]
    return plan_mails(letters=letters, kinds={kind.code: kind}, at_once={(kind.code, NOON): at_once}, now=now)


def entry(**changes):
    return {"paid": {"to": ["owner"], "mail": "now", "title": TEXTS, "text": TEXTS} | changes}


def test_every_kind_of_every_room_is_described_in_all_languages():
    kinds = load_kinds()

    rooms = {code.split(".")[0] for code in kinds}
    assert rooms == {"cases", "funding", "ledger", "notices", "runs", "supermarket"}
    assert {code for code, kind in kinds.items() if not kind.to} == {"notices.invitation"}


def test_amounts_and_moments_are_shown_as_people_read_them():
    params: dict[str, str | int] = {"amount_uc": 12_500_000, "due_at": "2026-03-01T12:30:00.000000Z"}

    wording = word_notice(kind=make_kind(), subject_id="x", params=params, language="zh-hans")

    assert wording.title == "2026-03-01 12:30 UTC 前支付 12.50"


@pytest.mark.parametrize(
    "changes",
    [
        {"to": ["king"]},
        {"mail": "sometimes"},
        {"text": {"en": "Only English"}},
        {"text": {"en": "$one", "zh-hans": "$two"}},
        {"text": {"en": "5 $ more", "zh-hans": "5 $ more"}},
    ],
)
def test_a_kind_that_is_described_wrongly_is_refused(changes):
    with pytest.raises(NoticeKindWrong):
        read_kinds(room="x", document=entry(**changes))


def test_a_thousand_notices_of_one_kind_and_hour_are_three_mails_and_a_digest():
    at_once = plan(make_kind(), 1000)
    digest = plan(make_kind(), 997, at_once=3, now=NOON + HOUR)

    assert [len(mail) for mail in at_once] == [1, 1, 1]
    assert [len(mail) for mail in digest] == [997]


def test_what_is_told_hourly_waits_for_the_end_of_the_hour():
    assert plan(make_kind(MailRule.HOURLY), 2, now=NOON + HOUR - timedelta(seconds=1)) == []
    assert plan(make_kind(MailRule.HOURLY), 2, now=NOON + HOUR) == [("0", "1")]


def test_notices_about_security_never_wait():
    assert len(plan(make_kind(MailRule.HOURLY, is_security=True), 5, at_once=99)) == 5


def test_a_delivery_is_signed_as_the_specification_says():
    """The example of the specification's own libraries."""
    headers = sign_delivery(
        delivery_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("waits_s", [MAIL_WAITS_S, WEBHOOK_WAITS_S])
def test_tries_go_on_for_more_than_a_day_and_then_end(waits_s):
    assert sum(waits_s) > 24 * 3600
    assert find_next_try(attempts=len(waits_s), waits_s=waits_s, now=NOON) is not None
    assert find_next_try(attempts=len(waits_s) + 1, waits_s=waits_s, now=NOON) is None
