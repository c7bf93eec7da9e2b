"""Whoever belongs to another organisation learns nothing: for every route with an id, and a real one behind it."""

import re
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import QuerySet

from lilong.common.django.routes import Audience
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Token
from lilong.foundation.runs.models import PoolToken
from tests.api.operations import ask, forge, list_agent_operations, list_operations
from tests.api.resources import MAKERS, QUERIES, make_belongings, make_bodies, upload_folder
from tests.market import open_stall, wallet_of
from tests.people import make_member_token, make_operator_token, make_own_token

OPERATORS_ALONE = {
    "GET /api/v1/bank-statements/{statement_id}",
    "GET /api/v1/bank-statements/{statement_id}/entries",
    "POST /api/v1/bank-entries/{entry_id}/match",
    "POST /api/v1/accelerators/{name}/claims",
    "POST /api/v1/claims/{claim_id}/withdraw",
    "DELETE /api/v1/record/entries/{entry_id}/payload",
    "GET /api/v1/audit-packs/{pack_id}",
    "GET /api/v1/audit-packs/{pack_id}/file",
    "GET /api/v1/cases/{case_id}/evidence",
    "GET /api/v1/cases/{case_id}/evidence/{evidence_id}/content",
    "GET /api/v1/organisations/{organisation_id}/related/{other_id}",
    "GET /api/v1/people/{person_id}/export",
    "GET /api/v1/programmes/{programme_id}/report",
    "GET /api/v1/programmes/{programme_id}/report/csv",
    "POST /api/v1/cases/{case_id}/decisions",
    "POST /api/v1/cases/{case_id}/evidence/{evidence_id}/verify",
    "POST /api/v1/mails/{mail_id}/retry",
    "PUT /api/v1/cases/{case_id}/assignment",
    "POST /api/v1/organisations/{organisation_id}/reinstate",
    "POST /api/v1/organisations/{organisation_id}/standings",
    "POST /api/v1/organisations/{organisation_id}/standings/{standing_id}/end",
    "POST /api/v1/organisations/{organisation_id}/suspend",
    "POST /api/v1/outbox/dead-letters/{delivery_id}/retry",
    "POST /api/v1/pay-outs/{pay_out_id}/sent",
    "POST /api/v1/people/{person_id}/erase",
    "POST /api/v1/people/{person_id}/second-factor/reset",
    "POST /api/v1/programmes/{programme_id}/fund",
    "POST /api/v1/programmes/{programme_id}/rules",
}
"""Members of no organisation get here: their role turns them away before the id is read."""

OPEN_TO_STRANGERS = {
    "GET /api/v1/accelerators/{name}": "what is claimed of accelerators is published",
    "GET /api/v1/claims/{claim_id}": "claims are published, and nobody's",
    "GET /api/v1/links/{token}": "whoever has the link may read the one object",
    "GET /api/v1/offers/{offer_id}/prices": "everybody who is signed in sees the shelf",
    "GET /api/v1/pools/{pool_id}/measurements": "everybody who is signed in sees what was measured of what is sold",
    "GET /api/v1/pools/{pool_id}/reputation": "everybody who is signed in sees how pools did what they sold",
    "PUT /api/v1/notices/preferences/{kind}": "the kinds are the same for all, and the choice is the caller's own",
    "PUT /api/v1/secrets/{name}": "the name belongs to the caller's own organisation, where it makes another secret",
}

ON_THE_SHELF = {"offers", "organisations", "pools", "providers", "programmes", "related", "people", "members"}
"""What is shown to everybody who buys, with whose it is, and what belongs to yet others."""

NO_LISTS = {
    "GET /api/v1/record/bundle",
    "GET /api/v1/statements/beancount",
    "GET /api/v1/statements/focus",
}
"""What has no id in its address, and still asks for one thing, or for a period."""

CONFLICTS = {
    "POST /api/v1/bank-entries/{entry_id}/match": "it is no payment of anybody here",
    "DELETE /api/v1/objects/{sha256}": "a run needs it",
    "POST /api/v1/cases/{case_id}/appeals": "nobody has refused it",
    "POST /api/v1/orders/{order_id}/approve": "it waits for no approval",
    "POST /api/v1/orders/{order_id}/refuse": "it waits for no approval",
    "POST /api/v1/orders/{order_id}/cancel": "it is settled",
    "POST /api/v1/orders/{order_id}/disputes": "it was settled long ago",
    "POST /api/v1/pay-outs/{pay_out_id}/sent": "nobody has approved it yet",
}
"""What whoever an id belongs to cannot do either: the state is in the way, not the caller."""

SUSPENDED = dict.fromkeys(
    ("POST /api/v1/offers/{offer_id}/measurements", "POST /api/v1/orders/{order_id}/repeat"),
    "its organisation was suspended by an operation before",
)
"""What is refused to whoever is found, since nobody of that organisation may order by then."""

NOTE_THEIR_USE = {Token, PoolToken}

WITH_ID = [each for each in [*list_operations(), *list_agent_operations()] if "{" in each.path]
SAVEPOINT = re.compile(r'"s\d+_x\d+"')
IDS = re.compile(r"([\w-]+)/{(?:\w+:)?(\w+)}")
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def make_all(own):
    """Return the real id for each word of MAKERS."""
    return {word: make(own) for word, make in MAKERS.items()}


def ask_for(operation, ids, token):
    parts = {name: ids[word] for word, name in IDS.findall(operation.path)}
    name = str(operation)
    return ask(operation, token=token, parts=parts, body=make_bodies(ids).get(name), query=QUERIES.get(name, ""))


@contextmanager
def noting_statements():
    """Give the list of what the database is asked during the block, without its values."""
    asked = []

    def note(execute, sql, *rest):
        asked.append(SAVEPOINT.sub("", sql))
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield asked


def read_tables():
    """Return every row that there is, but for what notes its own use."""
    models = set(apps.get_models()) - NOTE_THEIR_USE
    return {model: list(QuerySet(model).order_by("pk").values()) for model in models}


def make_strangers(seller):
    """Return a token of another organisation for each of its roles: one for all operations, for members are limited."""
    return {role: make_member_token(seller.owner, role, now=utc_now()) for role in sorted(set(Role) - {Role.OPERATOR})}


def list_strangers(operation, seller, tokens):
    """Return the tokens of another organisation that may call it, and so may ask for something that is not theirs."""
    if operation.rule.audience is Audience.AGENT:
        return {"agent": seller.agent.pool_token}
    return {role: token for role, token in tokens.items() if role in operation.rule.roles}


def test_every_id_in_an_address_has_a_real_resource_here():
    unmade = [f"{each}: {word}" for each in WITH_ID for word, _ in IDS.findall(each.path) if word not in MAKERS]
    assert not unmade, "tests/api/resources.py makes nothing for it"
    known = {str(each) for each in WITH_ID}
    assert OPERATORS_ALONE | OPEN_TO_STRANGERS.keys() | QUERIES.keys() <= known


def test_operations_for_operators_alone_are_listed():
    alone = {str(each) for each in WITH_ID if each.rule.roles == {Role.OPERATOR}}
    assert alone == OPERATORS_ALONE


def test_a_stranger_is_told_of_a_real_id_what_is_told_of_one_that_nobody_has():
    """The database is asked the same, too: no answer takes longer for what is there."""
    ids, stranger = make_all(make_belongings()), open_stall(name="strangers")
    upload_folder(stranger.owner.organisation_id)
    asked = [each for each in WITH_ID if str(each) not in OPERATORS_ALONE | OPEN_TO_STRANGERS.keys()]
    strangers, wrong, tried = make_strangers(stranger), [], 0
    for operation in asked:
        word = IDS.findall(operation.path)[0][0]
        forged = forge(ids[word])
        tokens = list_strangers(operation, stranger, strangers)
        tables = read_tables()
        for role, token in tokens.items():
            ask_for(operation, ids | {word: forged}, token)  # a token notes its first use
            with noting_statements() as of_real:
                real = ask_for(operation, ids, token)
            with noting_statements() as of_none:
                made_up = ask_for(operation, ids | {word: forged}, token)
            told = replace(real, content=real.content.replace(ids[word].encode(), forged.encode()))
            if real.status != 404 or told != made_up:
                wrong.append(f"{operation} as {role}: {real}, but {made_up}")
            if of_real != of_none:
                differing = set(of_real) ^ set(of_none)
                wrong.append(f"{operation} as {role}: the database is asked something else: {differing}")
            tried += 1
        assert read_tables() == tables, operation

    assert not wrong, "\n".join(wrong)
    assert len(asked) >= 40
    assert tried >= 150


def test_no_list_shows_a_stranger_what_belongs_to_others():
    own = make_belongings()
    ids, stranger = make_all(own), open_stall(name="strangers")
    secrets = {ids[word] for word in ids.keys() - ON_THE_SHELF if len(ids[word]) >= 32}
    secrets |= {own.owner.person_id, own.running.id, own.attempt.attempt_id, wallet_of(own.owner)}
    token, listed = make_member_token(stranger.owner, Role.OWNER, now=utc_now()), set()
    refused = set()
    for operation in list_operations():
        if operation.method == "GET" and "{" not in operation.path and Role.OWNER in operation.rule.roles:
            answer = ask(operation, token=token, parts={})
            assert not [each for each in secrets if each in answer.content.decode()], operation
            listed |= {str(operation)} if answer.status == 200 else set()
            refused |= {str(operation)} if answer.status == 422 else set()

    assert refused == NO_LISTS
    assert len(listed) >= 20
    assert len(secrets) >= 20


def test_an_operator_is_told_when_nobody_has_an_id():
    ids, token = make_all(make_belongings()), make_operator_token(now=utc_now())
    for operation in WITH_ID:
        if str(operation) in OPERATORS_ALONE:
            word = IDS.findall(operation.path)[0][0]
            answer = ask_for(operation, ids | {word: forge(ids[word])}, token)
            assert answer.status == 404, f"{operation}: {answer}"


def test_whoever_an_id_belongs_to_finds_what_it_names():
    own = make_belongings()
    ids = make_all(own)
    tokens = {Audience.AGENT: own.seller.agent.pool_token, Audience.PUBLIC: ""}
    readers = make_own_token(own.owner, now=utc_now())
    operator = make_operator_token(now=utc_now())
    answers = {}
    for operation in sorted(WITH_ID, key=lambda each: (each.method == "DELETE", -len(each.path))):
        # An owner for each operation, because one of them gives the ownership away; letters are one person's.
        own_letters = operation.path.startswith("/api/v1/notices/")
        owner = readers if own_letters else make_member_token(own.owner, Role.OWNER, now=utc_now())
        token = operator if str(operation) in OPERATORS_ALONE else tokens.get(operation.rule.audience, owner)
        answers[str(operation)] = ask_for(operation, ids, token)

    refused = {name: answer for name, answer in answers.items() if answer.status not in {200, 201, 202, 204}}
    assert refused.keys() == CONFLICTS.keys() | SUSPENDED.keys(), refused
    assert {refused[name].status for name in CONFLICTS} == {409}
    assert {refused[name].status for name in SUSPENDED} == {403}
