"""The matrix of who may open and send which page, tried out one by one over all that the resolver knows."""

import pytest

from lilong.common.time import utc_now
from tests.api.operations import forge
from tests.integration.web.page_crowd import gather_crowd, make_forms
from tests.integration.web.page_rules import OUTCOMES, ROWS, RULES, SIGN_IN, VISITORS
from tests.integration.web.visitors import Visitors, fill, list_rows
from tests.page_routes import list_page_routes
from tests.people import make_own_token

NOT_TAKEN = "405"
STRANGERS = ("buyer", "provider")
NO_IDS = {"", "accelerators", "record", "oidc", "keys", "saml", "stop", "outcomes", "verify"}
"""What stands before parts of addresses that are open to everybody, or one's own numbers."""

ON_THE_SHELF = {"offers", "pools", "providers", "programmes", "related"}
"""What is shown to everybody who buys, or belongs to yet others."""

ABOUT_THE_SHELF = frozenset({"GET pools/<str:pool_id>/measurements", "GET pools/<str:pool_id>/reputation"})
"""Pages that tell everybody who buys of what is sold, whoever sells it."""

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
FORMS_WITHOUT_TOKEN = {
    "preferences",  # a stranger's page could at most change the language
    "account/device/code",  # for programs, which bring no cookie
    "account/device/token",
    "account/saml/<str:organization_slug>/acs/",  # a foreign page brings it, and it counts once the browser comes again
    "account/saml/(?P<organization_slug>[^/]+)/acs/",
}
UPLOADS = {
    "desk/bank/import": {"operator"},
    "organisation/evidence/new": {"owner", "operator"},
    "organisation/evidence/<str:evidence_id>/replace": {"owner", "operator"},
}
"""Who may send a file: of what others send, nothing is read to look for a token; strangers are sent to sign in."""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home"), pytest.mark.timeout(900)]


def name_rules(outcomes: tuple[str, ...]) -> str:
    fitting = [name for name, expected in RULES.items() if tuple(expected) == outcomes]
    return " or ".join(fitting) or "no rule there is: " + ", ".join(
        map(": ".join, zip(VISITORS, outcomes, strict=True))
    )


def test_every_page_lets_in_exactly_whom_its_row_says():
    crowd = gather_crowd()
    visitors, forms, wrong, tried = Visitors(crowd), make_forms(crowd), [], set()
    for name, method, route in list_rows():
        path = fill(route, crowd.values)
        visits = {who: visitors.visit(who, method, path, forms.get(name)) for who in VISITORS}
        outcomes = tuple(each.outcome for each in visits.values())
        for each in visits.values():
            each.answer.close()
        if NOT_TAKEN in outcomes and set(outcomes) <= {NOT_TAKEN, SIGN_IN} and name not in ROWS:
            continue
        tried.add(name)
        if name not in ROWS:
            wrong.append(f'{name} has no row. If that is right, add to ROWS: "{name}": "{name_rules(outcomes)}",')
        elif tuple(RULES[ROWS[name]]) != outcomes:
            expected = zip(VISITORS, RULES[ROWS[name]], outcomes, strict=True)
            differing = [f"{who} gets {got}, not {due}" for who, due, got in expected if got != due]
            wrong.append(f"{name}, {ROWS[name]}: {'; '.join(differing)}; so it is {name_rules(outcomes)}")

    wrong += [f"{name} is in ROWS, and no page" for name in ROWS.keys() - tried]
    assert not wrong, "\n".join(wrong)
    assert len(tried) >= 120


def test_a_rule_says_something_of_every_visitor_and_every_rule_is_used():
    assert {len(outcomes) for outcomes in RULES.values()} == {len(VISITORS)}
    assert {each for outcomes in RULES.values() for each in outcomes} == set(OUTCOMES)
    assert set(ROWS.values()) == set(RULES)


def test_every_form_is_refused_without_its_token_whoever_sends_it():
    crowd = gather_crowd()
    visitors, forms, wrong = Visitors(crowd), make_forms(crowd), []
    for route in list_page_routes():
        path, form = fill(route, crowd.values), forms.get(f"POST {route.pattern}")
        for who in ("stranger", "owner", "operator"):
            for method in UNSAFE:
                visit = visitors.visit(who, method, path, form, headers={"x-csrftoken": ""})
                senders = UPLOADS.get(route.pattern, {who})
                if who not in senders or (route.pattern in UPLOADS and visit.outcome == NOT_TAKEN):
                    continue
                if (route.pattern in FORMS_WITHOUT_TOKEN) is visit.is_stale:
                    wrong.append(f"{method} {route.pattern} as {who}: {visit.answer.status_code}")

    assert not wrong, "\n".join(wrong)


def test_a_form_with_a_token_of_another_browser_or_from_another_origin_is_refused():
    visitors = Visitors(gather_crowd())
    for headers in ({"x-csrftoken": "b" * 32}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert visitors.visit("owner", "POST", "/provider/pools/new", headers=headers).is_stale, headers
    assert visitors.visit("owner", "POST", "/provider/pools/new").answer.status_code == 200


def test_whoever_belongs_elsewhere_is_told_of_a_real_id_what_is_told_of_one_that_nobody_has():
    """The database is asked the same, too: no answer takes longer for what is there."""
    crowd = gather_crowd()
    visitors, forms, wrong, tried = Visitors(crowd), make_forms(crowd), [], 0
    for name, method, route in list_rows():
        word, _ = route.parts[0] if route.parts else ("", "")
        if name not in ROWS or word in NO_IDS or name in ABOUT_THE_SHELF:
            continue
        real, forged = crowd.values[word], forge(crowd.values[word])
        for who in STRANGERS:
            visits = [
                visitors.visit(who, method, route.fill(crowd.values | {word: each}), forms.get(name))
                for each in (real, forged)
            ]
            first, second = ([each.read_without(real, forged), *each.statements] for each in visits)
            if first != second:
                wrong.append(f"{name} as {who}: {set(first) - set(second)}, but {set(second) - set(first)}")
            tried += 1

    assert not wrong, "\n".join(wrong)
    assert tried >= 50


def test_no_page_shows_others_what_belongs_to_an_organisation():
    crowd = gather_crowd()
    visitors, shown = Visitors(crowd), 0
    secrets = {each for word, each in crowd.values.items() if len(each) >= 32 and word not in ON_THE_SHELF}
    secrets |= {crowd.own.owner.person_id, crowd.own.running.id, crowd.own.attempt.attempt_id}
    for name, method, route in list_rows():
        if method == "GET" and name in ROWS and not route.parts:
            for who in ("stranger", "newcomer", *STRANGERS):
                text = visitors.visit(who, method, fill(route, crowd.values)).read()
                assert not [each for each in secrets if each in text], f"{name} as {who}"
                shown += 1
    assert shown >= 150
    assert len(secrets) >= 20


def test_a_token_opens_no_page():
    crowd = gather_crowd()
    visitors, people = Visitors(crowd), [crowd.people["owner"], crowd.people["operator"]]
    tokens = [make_own_token(each, now=utc_now()) for each in people if each]
    closed = [each for each in list_rows() if each[0] in ROWS and RULES[ROWS[each[0]]][0] == SIGN_IN]
    for name, method, route in closed:
        for token in tokens:
            headers = {"authorization": f"Bearer {token}"}
            visit = visitors.visit("stranger", method, fill(route, crowd.values), headers=headers)
            assert visit.outcome == SIGN_IN, name
    assert len(closed) >= 70
