"""Asking for the removal of a lost second factor: password, mail, an operator, time; and everybody who can stop it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import connection, transaction

from lilong.common.errors import LilongError, NotAllowed, NotFound
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.core.factor_losses import LossDecision
from lilong.foundation.members.models import FactorLoss, Mail, Person
from lilong.foundation.members.queries.factor_losses import derive_stop_secret, list_losses
from lilong.foundation.members.reactions import reconcile
from lilong.foundation.members.services.factor_losses import (
    LossCodeWrong,
    LossNotWaiting,
    LossOpen,
    LossStopUnknown,
    ask_for_removal,
    decide_loss,
    finish_losses,
    prove_mail,
    stop_loss,
)
from lilong.foundation.members.services.people import erase_person
from lilong.foundation.members.services.second_factors import reset_second_factor
from lilong.foundation.record.models import Payload
from tests.desks import browse_as
from tests.people import found_operator, found_owner, join
from tests.sign_ins import Browser, compute_code, forget_limits, read_code, read_mails, set_up_totp, sign_up

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada@example.org"
LOST = "/account/2fa/lost/"
SAID = "Call my lab: +41 44 000 00 00."
GRANT, REFUSE = LossDecision.GRANT, LossDecision.REFUSE
WAIT = timedelta(hours=48)


@pytest.fixture
def owner():
    """The browser of somebody with a second factor, who is signed in."""
    browser = sign_up(ADA)
    set_up_totp(browser)
    return browser


def give_password():
    browser = Browser()
    assert browser.sign_in(ADA)["Location"].startswith("/account/2fa/authenticate/")
    return browser


def ask_and_prove():
    """Ask in a browser in which only the password was given, and prove the mail; return the browser."""
    browser = give_password()
    browser.post(LOST, {"action": "send"})
    browser.post(LOST, {"action": "prove", "code": read_code(ADA), "said": SAID})
    assert FactorLoss.objects.get().state == "waiting"
    return browser


def decide(*, decision, reason="Seen with passport.", now=None):
    operator = found_operator(now=utc_now())
    decide_loss(
        actor=operator, loss_id=FactorLoss.objects.get().id, decision=decision, reason=reason, now=now or utc_now()
    )
    return operator


def find_link(mail):
    (link,) = re.findall(r"https?://[^/\s]+(/account/2fa/lost/stop/\S+)", mail["text"])
    return link


def read_subjects(to=ADA):
    return [mail["subject"] for mail in read_mails(to)]


def has_factor():
    return Authenticator.objects.filter(type=Authenticator.Type.TOTP).exists()


def read_record(kind):
    return [row.content for row in Payload.objects.filter(entry__kind=kind)]


def test_who_proves_password_and_mail_and_convinces_an_operator_signs_in_after_the_wait(owner):
    page = give_password().get("/account/2fa/authenticate/").content.decode()
    assert f'href="{LOST}"' in page
    ask_and_prove()
    decided = utc_now()
    operator = decide(decision=GRANT, now=decided)
    reconcile(decided + WAIT - timedelta(seconds=1))
    assert has_factor()
    reconcile(decided + WAIT)

    assert not Authenticator.objects.exists()
    assert owner.find_person() is None
    assert Browser().sign_in(ADA)["Location"] == "/home"
    assert FactorLoss.objects.get().state == "done"
    assert Person.objects.get(email=ADA).factor_loss_at is None
    (said,) = read_record("members.second_factor_reset")
    assert "Seen with passport." in said
    assert operator.person_id in said


def test_a_removal_happens_once_however_often_it_is_looked_for(owner):
    ask_and_prove()
    decide(decision=GRANT)
    later = utc_now() + WAIT
    finish_losses(now=later)
    mails = Mail.objects.count()
    finish_losses(now=later)

    assert len(read_record("members.second_factor_reset")) == 1
    assert Mail.objects.count() == mails


def test_without_the_password_the_page_only_leads_to_sign_in(owner):
    for browser, page in ((Browser(), "/account/login/"), (owner, "/account/")):
        for answer in (browser.get(LOST), browser.post(LOST, {"action": "send"}, page=page)):
            assert (answer.status_code, answer["Location"]) == (302, "/account/login/")

    assert not FactorLoss.objects.exists()


def test_who_has_no_second_factor_cannot_ask():
    sign_up(ADA)
    browser = Browser()
    browser.sign_in(ADA)

    assert browser.get(LOST)["Location"] == "/account/login/"


def test_a_code_alone_removes_nothing(owner):
    ask_and_prove()
    finish_losses(now=utc_now() + timedelta(days=365))

    assert has_factor()


def test_the_page_tells_how_far_it_has_come(owner):
    browser = ask_and_prove()
    assert "An operator decides now" in browser.get(LOST).content.decode()
    decide(decision=GRANT)

    assert "An operator has agreed" in browser.get(LOST).content.decode()


def test_a_wrong_code_tells_nobody_and_five_of_them_end_the_right_one(owner):
    browser = give_password()
    browser.post(LOST, {"action": "send"})
    code = read_code(ADA)
    wrong = browser.post(LOST, {"action": "prove", "code": "BBBB-BBBB", "said": SAID})
    assert "does not fit" in wrong.content.decode()
    person_id = Person.objects.get(email=ADA).id
    for _ in range(4):
        with pytest.raises(LossCodeWrong):
            prove_mail(person_id=person_id, code="BBBB-BBBB", said=SAID, now=utc_now())

    with pytest.raises(LossCodeWrong):
        prove_mail(person_id=person_id, code=code, said=SAID, now=utc_now())
    assert read_subjects()[-1].startswith("Your code")


def test_a_code_is_good_for_a_quarter_of_an_hour_and_until_the_next_one(owner):
    person_id = Person.objects.get(email=ADA).id
    now = utc_now()
    ask_for_removal(person_id=person_id, now=now)
    first = read_code(ADA)
    ask_for_removal(person_id=person_id, now=now)
    second = read_code(ADA)
    for code, at in ((first, now), (second, now + timedelta(minutes=15))):
        with pytest.raises(LossCodeWrong):
            prove_mail(person_id=person_id, code=code, said=SAID, now=at)

    prove_mail(person_id=person_id, code=second.lower().replace("-", " "), said=SAID, now=now)
    with pytest.raises(LossCodeWrong):
        prove_mail(person_id=person_id, code=second, said=SAID, now=now)


def test_a_code_of_another_person_does_not_fit(owner):
    other = sign_up("eve@example.org")
    set_up_totp(other)
    people = {each.email: each.id for each in Person.objects.all()}
    for person_id in people.values():
        ask_for_removal(person_id=person_id, now=utc_now())

    with pytest.raises(LossCodeWrong):
        prove_mail(person_id=people[ADA], code=read_code("eve@example.org"), said=SAID, now=utc_now())


def test_nobody_asks_twice_while_a_request_is_open(owner):
    ask_and_prove()
    person_id = Person.objects.get(email=ADA).id
    mails = Mail.objects.count()

    with pytest.raises(LossOpen):
        ask_for_removal(person_id=person_id, now=utc_now())
    again = give_password().post(LOST, {"action": "send"}, page="/account/2fa/authenticate/")
    assert again.status_code == 302
    assert Mail.objects.count() == mails


def test_codes_are_counted(owner):
    browser = give_password()
    answers = [browser.post(LOST, {"action": "send"}).status_code for _ in range(4)]

    assert answers == [302, 302, 302, 200]
    assert read_subjects().count("Your code for a lost second factor") == 3


def test_attempts_with_codes_are_counted_beyond_one_code(owner):
    browser = give_password()
    browser.post(LOST, {"action": "send"})
    fields = {"action": "prove", "code": "BBBB-BBBB", "said": SAID}
    pages = [browser.post(LOST, fields).content.decode() for _ in range(16)]

    assert "Too many attempts" not in pages[14]
    assert "Too many attempts" in pages[15]


def test_all_proven_addresses_are_told_and_no_other(owner):
    person = Person.objects.get(email=ADA)
    with transaction.atomic():
        EmailAddress.objects.create(user=person, email="ada@home.example", verified=True)
        EmailAddress.objects.create(user=person, email="claimed@elsewhere.example", verified=False)
    ask_and_prove()

    assert read_subjects("ada@home.example") == ["Somebody asks to remove your second factor"]
    assert read_subjects("claimed@elsewhere.example") == []


def test_people_are_told_in_their_language(owner):
    with transaction.atomic():
        Person.objects.update(language="zh-hans")
    ask_and_prove()

    assert re.search("[\u4e00-\u9fff]", read_subjects()[-1])


def test_each_page_of_a_session_says_so_and_one_button_stops_it(owner):
    ask_and_prove()
    page = owner.get("/account/").content.decode()
    assert "Somebody asks to remove your second factor" in page
    stopped = owner.post("/account/2fa/lost/stop/", {})

    assert "Your second factor stays" in stopped.content.decode()
    assert "Somebody asks" not in owner.get("/account/").content.decode()
    assert FactorLoss.objects.get().state == "stopped"
    with pytest.raises(LossNotWaiting):
        decide(decision=GRANT)


@pytest.mark.parametrize("decided", [False, True])
def test_the_link_of_any_mail_stops_it_by_a_button_until_the_end(owner, decided):
    ask_and_prove()
    link = find_link(read_mails(ADA)[-1])
    if decided:
        decide(decision=GRANT)
        assert find_link(read_mails(ADA)[-1]) == link
    stranger = Browser()
    stranger.get(link)
    assert FactorLoss.objects.get().ended_at is None
    assert "was stopped" in stranger.post(link, {}).content.decode()
    finish_losses(now=utc_now() + timedelta(days=30))

    assert has_factor()
    assert stranger.post(link, {}).status_code == 404
    assert len(read_record("members.second_factor_loss_stopped")) == 1
    assert read_subjects()[-1] == "Your second factor stays"


def test_a_link_that_the_hub_did_not_make_stops_nothing(owner):
    ask_and_prove()
    loss_id = FactorLoss.objects.get().id
    for secret in ("", loss_id, f"{loss_id}.", f"{loss_id}.{'0' * 64}", derive_stop_secret(loss_id="flo_other")):
        with pytest.raises(LossStopUnknown):
            stop_loss(secret=secret, now=utc_now())

    assert FactorLoss.objects.get().state == "waiting"


def test_a_link_cannot_be_used_before_anybody_was_told(owner):
    person_id = Person.objects.get(email=ADA).id
    ask_for_removal(person_id=person_id, now=utc_now())

    with pytest.raises(LossStopUnknown):
        stop_loss(secret=derive_stop_secret(loss_id=FactorLoss.objects.get().id), now=utc_now())


def test_who_is_signed_in_stops_nobody_elses_request(owner):
    ask_and_prove()

    assert sign_up("eve@example.org").post("/account/2fa/lost/stop/", {}, page="/account/").status_code == 404
    assert FactorLoss.objects.get().state == "waiting"


def test_a_refusal_tells_the_reason_and_ends_it(owner):
    ask_and_prove()
    decide(decision=REFUSE, reason="Nobody at that number knows you.")
    finish_losses(now=utc_now() + timedelta(days=30))

    assert has_factor()
    assert "Nobody at that number" in read_mails(ADA)[-1]["text"]
    assert "Somebody asks" not in owner.get("/account/").content.decode()
    assert "Nobody at that number" in read_record("members.second_factor_loss_decided")[0]
    forget_limits()
    ask_for_removal(person_id=Person.objects.get(email=ADA).id, now=utc_now())


def test_only_an_operator_decides_and_never_about_the_own_second_factor(owner):
    ask_and_prove()
    loss = FactorLoss.objects.get()
    member = join(found_owner(), Role.OWNER)
    operator = found_operator()
    for actor in (member, found_owner()):
        with pytest.raises(NotAllowed):
            decide_loss(actor=actor, loss_id=loss.id, decision=GRANT, reason="Mine.", now=utc_now())
        with pytest.raises(NotAllowed):
            list_losses(actor=actor, cursor=None, limit=5)
    with transaction.atomic():
        FactorLoss.objects.update(person=operator.person_id)

    with pytest.raises(NotAllowed):
        decide_loss(actor=operator, loss_id=loss.id, decision=GRANT, reason="Mine.", now=utc_now())
    assert (
        "another operator has to do this" in browse_as(operator).get(f"/desk/second-factors/{loss.id}").content.decode()
    )


def test_a_decision_is_made_once(owner):
    ask_and_prove()
    decide(decision=GRANT)

    with pytest.raises(LossNotWaiting):
        decide(decision=REFUSE)
    with pytest.raises(NotFound):
        decide_loss(actor=found_operator(), loss_id="flo_none", decision=GRANT, reason="?", now=utc_now())


def test_stopping_and_removing_at_once_end_in_one_of_them(owner):
    ask_and_prove()
    decide(decision=GRANT)
    later = utc_now() + WAIT
    secret = derive_stop_secret(loss_id=FactorLoss.objects.get().id)

    def try_to(do):
        try:
            do()
        except LilongError as refusal:
            return refusal
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(2) as pool:
        both = [lambda: stop_loss(secret=secret, now=later), lambda: finish_losses(now=later)]
        stopped, finished = pool.map(try_to, both)

    assert finished is None
    state = FactorLoss.objects.get().state
    assert (state, has_factor(), stopped is None) in {("stopped", True, True), ("done", False, False)}


def test_a_removal_by_command_ends_an_open_request(owner):
    ask_and_prove()
    person_id = Person.objects.get(email=ADA).id
    reset_second_factor(actor=found_operator(), person_id=person_id, reason="At the desk.", now=utc_now())

    assert FactorLoss.objects.get().state == "done"
    with pytest.raises(LossNotWaiting):
        decide(decision=GRANT)


def test_an_erased_person_leaves_no_request(owner):
    ask_and_prove()
    erase_person(person_id=Person.objects.get(email=ADA).id, now=utc_now())

    assert not FactorLoss.objects.exists()


def test_the_second_factor_goes_on_working_while_the_hub_is_asked():
    secret, _ = set_up_totp(sign_up(ADA))
    ask_and_prove()
    browser = give_password()
    browser.post("/account/2fa/authenticate/", {"code": compute_code(secret)})

    assert browser.find_person().email == ADA
