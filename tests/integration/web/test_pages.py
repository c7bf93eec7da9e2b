import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from lilong.common.files import find_tools
from lilong.common.time import utc_now
from lilong.foundation.record.public import seal
from lilong.web.static import hash_name
from tests.integration.web.page_errors import FAILURES
from tests.market import open_stall
from tests.pools import NOON, make_node

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
QUERIES_MAX = 12
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def on_this_machine(settings):
    settings.ALLOWED_HOSTS = ["testserver"]


def look(path, *, language="en", **headers):
    return Client(headers={"accept": HTML, "accept-language": language} | headers).get(path)


def read(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def fill_hub():
    seller = open_stall(
        accelerator="h100-sxm5", nodes=(make_node(name="n0", h100_sxm5=8), make_node(name="n1", h100_sxm5=8))
    )
    seller.agent.sync(seconds=(utc_now() - NOON).total_seconds())
    seal(now=utc_now())


def test_a_fresh_hub_says_that_it_is_empty_and_what_comes_next():
    text = read(look("/"))

    assert "Nothing is on the shelf yet." in text
    assert "No head is published yet." in text
    assert "Orders settled 0 Credits settled 0.00" in text
    assert "Sign up" in text


@pytest.mark.parametrize("filled", [False, True])
def test_the_front_page_asks_the_database_at_most_twelve_times(filled):
    if filled:
        fill_hub()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert look("/").status_code == 200

    assert len(queries) <= QUERIES_MAX


def test_the_front_page_counts_what_is_on_the_shelf():
    fill_hub()
    text = read(look("/"))

    assert "H100-SXM5 h100-sxm5 16 16 100% 0" in text
    assert "Cosigned by no witness yet" in text


def test_capacity_of_a_pool_whose_agent_is_away_is_not_free():
    open_stall(accelerator="h100-sxm5", nodes=(make_node(h100_sxm5=8),))

    assert "h100-sxm5 0 8 0% 0" in read(look("/"))


def test_the_browsers_language_decides_until_another_is_chosen():
    client = Client(headers={"accept": HTML, "accept-language": "zh-CN,zh;q=0.9"})
    assert "当前算力" in read(client.get("/"))
    client.post("/preferences", {"language": "en", "next": "/"})

    assert "Capacity now" in read(client.get("/"))


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("/verify?a=1", "/verify?a=1"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_preferences_lead_back_to_pages_of_the_hub_alone(wanted, got):
    response = Client().post("/preferences", {"theme": "dark", "next": wanted})

    assert (response.status_code, response["Location"]) == (303, got)


def test_a_preference_that_does_not_exist_is_not_kept():
    response = Client().post("/preferences", {"theme": '"><script>', "language": "xx", "next": "/"})

    assert not response.cookies


def test_whoever_only_looks_gets_no_cookie():
    assert not look("/").cookies
    assert not look("/verify").cookies


def test_pages_forbid_what_pages_of_ours_never_do():
    response = look("/")
    policy = response["Content-Security-Policy"]

    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in response


def test_a_hub_behind_https_says_that_it_stays_there(settings):
    settings.IS_HTTPS = True

    assert look("/")["Strict-Transport-Security"].startswith("max-age=")


def test_what_a_page_loads_is_kept_for_ever_and_has_a_hash_in_its_name():
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', look("/").content.decode())

    assert len(links) == 3
    for link in links:
        response = look(link)
        assert response.status_code == 200
        assert "immutable" in response["Cache-Control"]
        assert "no-store" not in response["Cache-Control"]
        response.close()
    assert look("/static/web/lilong.css").status_code == 404


def test_a_static_file_that_is_not_there_fails_loudly():
    with pytest.raises(FileNotFoundError):
        hash_name("web/none.css")


STATUSES = {
    "bad": 400,
    "denied": 403,
    "refused": 403,
    "missing": 404,
    "unseen": 404,
    "conflict": 409,
    "large": 413,
    "larger": 413,
    "invalid": 422,
    "expired": 409,
    "engine": 422,
    "limit": 429,
    "busy": 503,
    "outage": 503,
    "mistake": 500,
}


@pytest.mark.urls("tests.integration.web.page_errors")
class TestRefusals:
    @pytest.mark.parametrize("name", FAILURES)
    @pytest.mark.parametrize("language", ["en", "zh-hans"])
    def test_a_failure_of_a_page_is_a_page_with_its_status_and_next_step(self, name, language):
        response = look(f"/fail/{name}", language=language)
        text = read(response)

        assert response.status_code == STATUSES[name]
        assert response["Content-Type"].startswith("text/html")
        assert ("What you can do" if language == "en" else "您可以这样做") in text
        assert response["X-Request-Id"] in text
        assert "s3cret" not in text
        assert "Traceback" not in text

    def test_a_page_says_the_same_as_the_problem_document(self):
        problem = json.loads(Client().get("/fail/refused").content)
        text = read(look("/fail/refused"))

        assert [problem[name] for name in ("title", "detail", "next_step", "code")]
        assert not [problem[name] for name in ("title", "detail", "next_step", "code") if problem[name] not in text]

    def test_fields_that_are_wrong_are_named(self):
        assert "name Too long." in read(look("/fail/invalid"))

    def test_what_happened_is_said_in_the_readers_language_with_moments_as_pages_write_them(self):
        assert "它已于 2026年3月1日 12:00:00 UTC 过期。" in read(look("/fail/expired", language="zh-hans"))
        assert "It expired at 1 Mar 2026, 12:00:00 UTC." in read(look("/fail/expired"))
        assert (
            json.loads(Client().get("/fail/expired").content)["detail"] == "It expired at 2026-03-01T12:00:00.000000Z."
        )

    def test_words_that_are_there_in_english_alone_are_marked_as_that_and_stay_text(self):
        chinese, english = (look("/fail/engine", language=language).content.decode() for language in ("zh-hans", "en"))

        assert '<span lang="en">sbatch: error: Invalid account &lt;a&gt;</span>' in chinese
        assert '<p class="lead">sbatch: error: Invalid account &lt;a&gt;</p>' in english

    def test_a_page_that_may_be_tried_again_says_when(self):
        response = look("/fail/limit")

        assert response["Retry-After"] == "90"
        assert "1 min 30 secs" in read(response)

    @pytest.mark.parametrize("path", ["/api/v1/nowhere", "/agent/v1/nowhere"])
    def test_the_api_keeps_problem_documents_even_for_browsers(self, path):
        response = look(path)

        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")

    def test_programs_get_problem_documents_everywhere(self):
        response = Client().get("/nowhere")

        assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")

    def test_a_method_that_a_page_does_not_take_is_refused_with_those_that_it_takes(self):
        response = look("/preferences")

        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert "This address does not take this method" in read(response)

    def test_a_form_from_elsewhere_is_refused(self):
        response = Client(enforce_csrf_checks=True, headers={"accept": HTML}).post("/form")

        assert response.status_code == 403
        assert "This form is too old, or from elsewhere" in read(response)

    def test_a_host_that_is_not_ours_gets_a_page_too(self):
        response = look("/", host="evil.example")

        assert response.status_code == 400
        assert "The hub could not read what your browser sent" in read(response)


def test_whoever_checks_a_receipt_gets_the_programs_as_they_are_and_keys_once_there_are_witnesses():
    page = look("/verify").content.decode()

    for name in ("recompute_charge.py", "verify_record.py"):
        assert f"/verify/{name}" in page
        assert look(f"/verify/{name}").content == (find_tools() / name).read_bytes()
    assert "/verify/keys.json" not in page
    assert look("/verify/keys.json").status_code == 409
    assert look("/verify/other.py").status_code == 404


def test_a_stranger_begins_by_signing_up_and_is_not_led_to_a_page_behind_the_door():
    page = look("/").content.decode()

    assert 'class="button button-primary" href="/account/signup/"' in page
    assert 'href="/shelf"' not in page


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/shelf?a=1", "/shelf?a=1"),
        ("https://evil.example/shelf", ""),
        ("http://testserver//evil.example/", ""),
        ("http://testserver/\\evil.example/", ""),
        ("http://testserver/nowhere", ""),
        ("", ""),
    ],
)
def test_a_refusal_leads_back_to_the_page_before_when_it_was_one_of_ours(came_from, back):
    page = look("/nowhere", referer=came_from, host="testserver").content.decode()

    found = re.search(r'href="([^"]*)">Back to the page before', page)
    assert (found[1] if found else "") == back


def test_there_is_no_style_page_unless_the_settings_ask_for_it():
    assert look("/style").status_code == 404
