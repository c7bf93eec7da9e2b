import io
import re
import zipfile
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.objects.public import open_object
from lilong.platforms.supermarket.models import Order, Quote
from lilong.platforms.supermarket.pages.checkout import EXAMPLE, UPLOAD_BYTES_MAX
from lilong.protocol.manifest import parse_manifest
from tests.market import found_buyer, open_stall
from tests.people import join
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db

JOB = b"name: first-job\ncommand: python3 train.py\nwalltime: 10m\n"


@pytest.fixture(autouse=True)
def today(monkeypatch):
    """Let the market's moment be now, for pages look at the clock."""
    now = utc_now()
    for place in ("tests.pools.NOON", "tests.market.NOW", "tests.people.NOW"):
        monkeypatch.setattr(place, now)


@pytest.fixture
def buyer():
    open_stall(now=utc_now())
    return found_buyer(now=utc_now())


def make_zip(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def ask(client, *, job=JOB, archive=b"", key="", **fields):
    files = {"job": SimpleUploadedFile("job.yaml", job)}
    if archive:
        files["archive"] = SimpleUploadedFile("folder.zip", archive)
    return client.post("/quotes", {"key": key or uuid4().hex, **files, **fields})


def follow(client, answer):
    assert answer.status_code == 302, re.sub(r"<[^>]+>|\s+", " ", answer.content.decode())
    return client.get(answer.headers["Location"]).content.decode()


def test_the_shelf_shows_price_provider_and_what_is_free(buyer, django_assert_max_num_queries):
    client = browse_as(buyer)
    with django_assert_max_num_queries(12):
        page = client.get("/shelf").content.decode()

    assert "CPU core" in page
    assert '<td class="number">0.90' in page
    assert re.search(r"Organisation \d+</span>", page)
    assert "4 of 4" in page


def test_a_job_with_its_folder_is_quoted_and_ordered_by_browser(buyer):
    client = browse_as(buyer)
    archive = make_zip({"train.py": b"print('hi')", "data/a.csv": b"1", ".git/config": b"no", "lib/": b""})

    quote = follow(client, ask(client, archive=archive, max_cost="1"))

    assert "Order now" in quote
    assert "0.15" in quote
    order = Order.objects.get()
    reader = open_object(organisation_id=buyer.organisation_id, sha256=order.spec["workdir_sha256"])
    manifest = parse_manifest(b"".join(reader.chunks))
    assert [file.path for file in manifest.files] == ["data/a.csv", "train.py"]
    answers = [client.post(f"/quotes/{order.quote.id}/order") for _ in range(2)]
    assert [answer.headers["Location"] for answer in answers] == [f"/orders/{order.id}"] * 2
    assert order.timeline.filter(step="hold").count() == 1
    assert "Queued" in client.get(f"/orders/{order.id}").content.decode()


def test_the_example_beside_the_form_is_a_job(buyer):
    assert follow(browse_as(buyer), ask(browse_as(buyer), job=EXAMPLE.encode()))


def test_a_form_that_is_sent_twice_asks_once(buyer):
    client, key = browse_as(buyer), uuid4().hex

    first, second = (ask(client, key=key) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert Quote.objects.count() == 1


def test_an_earlier_job_is_quoted_again(buyer):
    client = browse_as(buyer)
    ask(client)
    order = Order.objects.get()

    again = client.post(f"/orders/{order.id}/again", {"key": uuid4().hex})

    assert follow(client, again)
    assert set(Order.objects.values_list("spec_sha256", flat=True)) == {order.spec_sha256}
    assert Order.objects.count() == 2


@pytest.mark.parametrize(
    ("job", "archive", "words"),
    [
        (b"name: A B\n", b"", "This is not a run that Lilong can do"),
        (JOB, b"no zip", "This archive cannot be used as a working folder"),
        (JOB, make_zip({"../x": b"1"}), "../x"),
        (JOB + b"resources: {accelerator: h100, count: 1}\n", b"", "notice-bad"),
    ],
)
def test_what_refuses_a_job_is_said_beside_the_form(buyer, job, archive, words):
    answer = ask(browse_as(buyer), job=job, archive=archive)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert "Choose the files again" in answer.content.decode()
    assert not Quote.objects.exists()


@pytest.mark.parametrize(
    ("max_cost", "words"), [("much", "Write a number"), ("0", "cannot cost that much, or nothing")]
)
def test_a_limit_that_is_no_amount_is_refused_at_its_field(buyer, max_cost, words):
    assert words in ask(browse_as(buyer), max_cost=max_cost).content.decode()


def test_what_is_too_large_is_refused_with_the_way_that_takes_it(buyer):
    answer = ask(browse_as(buyer), archive=bytes(UPLOAD_BYTES_MAX))

    assert answer.status_code == 413
    assert "This is too much to send by browser" in answer.content.decode()
    assert "or use `lilong run`" in answer.content.decode()


def test_a_form_from_elsewhere_asks_and_orders_nothing(buyer):
    client = browse_as(buyer, enforce_csrf=True)
    assert ask(client).status_code == 403
    assert not Order.objects.exists()
    ask(browse_as(buyer))
    assert client.post(f"/quotes/{Quote.objects.get().id}/order").status_code == 403
    assert Order.objects.get().state == "quoted"


def test_who_may_not_buy_is_told_so_and_can_not(buyer):
    ask(browse_as(buyer))
    quote = Quote.objects.get()
    client = browse_as(join(buyer, Role.VIEWER))

    assert "You cannot ask for quotes:" in client.get("/shelf").content.decode()
    assert "You cannot take it:" in client.get(f"/quotes/{quote.id}").content.decode()
    assert ask(client).status_code == 403
    assert client.post(f"/quotes/{quote.id}/order").status_code == 403
    assert client.post(f"/orders/{quote.order_id}/again").status_code == 403
    assert Order.objects.get().state == "quoted"


def test_another_organisation_finds_no_quote_and_a_stranger_signs_in_first(buyer):
    ask(browse_as(buyer))
    quote = Quote.objects.get()
    other = browse_as(found_buyer())

    assert other.get(f"/quotes/{quote.id}").status_code == 404
    assert other.post(f"/quotes/{quote.id}/order").status_code == 404
    assert other.post(f"/orders/{quote.order_id}/again").status_code == 404
    assert browse_as_stranger().get("/shelf").headers["Location"] == "/account/login/?next=/shelf"
    assert browse_as_stranger().post("/quotes").headers["Location"].startswith("/account/login/")


def test_money_that_is_missing_is_said_on_the_quote_and_refuses_the_order():
    open_stall(now=utc_now())
    client = browse_as(found_buyer(wallet_uc=0, now=utc_now()))

    page = follow(client, ask(client))

    assert "The wallet does not cover it yet" in page
    assert "Order now" not in page
    assert "Ask again with another job" in page
    answer = client.post(f"/quotes/{Quote.objects.get().id}/order")
    assert answer.status_code == 402
    assert Order.objects.get().state == "quoted"
