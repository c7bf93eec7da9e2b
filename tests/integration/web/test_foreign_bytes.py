"""Members' bytes come from the hub's own address: no browser ever runs them there, whatever they pretend to be."""

import html
from functools import partial

import pytest
from django.db import transaction
from django.test import Client

from lilong.common.time import utc_now
from lilong.foundation.members.services.evidence import EvidenceInvalid, give_evidence
from lilong.foundation.objects.public import make_link
from lilong.foundation.runs.models import Artefact
from lilong.foundation.runs.services.logs import append_log
from tests.api.resources import MAKERS, make_belongings
from tests.bytes import upload
from tests.people import make_operator_token, make_own_token
from tests.sessions import browse_as

SCRIPT = b"<script>fetch('/account/')</script>"
POLYGLOTS = {
    "result.html": b"<!doctype html><html><body>" + SCRIPT,
    "chart.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>",
    "picture.gif": b"GIF89a/*" + SCRIPT + b"*/=0;",
    "paper.pdf": b"%PDF-1.7\n" + SCRIPT,
    "folder.zip": b"PK\x03\x04" + SCRIPT,
    "notes.txt": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    'x.html"; filename="y.html': b"<h1>" + SCRIPT,
}
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


def assert_inert(answer, content):
    """Say that a browser keeps these bytes as a file, or shows them as text, and that they are all there."""
    assert answer.status_code == 200
    assert answer["X-Content-Type-Options"] == "nosniff"
    if answer["Content-Type"] != "text/plain; charset=utf-8":
        assert answer["Content-Type"] == "application/octet-stream"
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["Content-Disposition"].count(";") <= 1
    policy = answer["Content-Security-Policy"]
    assert policy == "sandbox" or policy.startswith("default-src 'none'")
    assert b"".join(answer) == content


def test_what_a_job_leaves_or_a_member_brings_is_never_run_from_the_hubs_address():
    own, now = make_belongings(), utc_now()
    owner, attempt_id = own.owner, own.attempt.attempt_id
    browser, case_id = browse_as(owner), MAKERS["cases"](own)
    member = Client(headers={"authorization": f"Bearer {make_own_token(owner, now=now)}", "accept": "text/html"})
    operator = Client(headers={"authorization": f"Bearer {make_operator_token(now=now)}", "accept": "text/html"})
    for number, (name, content) in enumerate(POLYGLOTS.items()):
        sha256 = upload(content, organisation_id=owner.organisation_id, now=now)
        with transaction.atomic():
            Artefact.objects.create(
                id=f"art_{number}", attempt_id=attempt_id, path=name, sha256=sha256, size_bytes=len(content)
            )
        link = make_link(organisation_id=owner.organisation_id, sha256=sha256, seconds=60, now=now)
        describe = partial(give_evidence, actor=owner, kind="registration", title=name, sha256=sha256, expires_on=None)

        assert_inert(browser.get(f"/runs/{own.running.run_id}/files/1/{sha256}"), content)
        assert_inert(member.get(f"/api/v1/objects/{sha256}"), content)
        assert_inert(browser.get(f"/api/v1/links/{link.token}"), content)
        if name != "paper.pdf":
            with pytest.raises(EvidenceInvalid):
                describe(issued_on=now.date(), now=now)
        else:
            given = describe(issued_on=now.date(), now=now)
            assert_inert(operator.get(f"/api/v1/cases/{case_id}/evidence/{given.id}/content"), content)


def test_what_a_job_prints_is_text_wherever_it_is_shown():
    own, content = make_belongings(), b"".join(POLYGLOTS.values())
    browser, run_id = browse_as(own.owner), own.running.run_id
    member = Client(
        headers={"authorization": f"Bearer {make_own_token(own.owner, now=utc_now())}", "accept": "text/html"}
    )
    with transaction.atomic():
        append_log(
            pool_id=own.seller.agent.pool_id, attempt_id=own.attempt.attempt_id, rank=0, offset=0, content=content
        )

    assert_inert(browser.get(f"/runs/{run_id}/log/tail?from=1.0"), content)
    assert_inert(member.get(f"/api/v1/runs/{run_id}/log"), content)
    page = browser.get(f"/runs/{run_id}/log").content
    assert SCRIPT not in page
    assert html.escape(SCRIPT.decode()) in page.decode()
