"""The numbers that Prometheus reads: well formed, true, cheap."""

import re

import pytest
import yaml
from django.db import connection, transaction
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from lilong import __version__
from lilong.common.ids import read_moment
from lilong.foundation.cases.public import open_case
from lilong.foundation.members.events import OrganisationApplied
from lilong.foundation.members.models import Mail as SignInMail
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.notices.models import DEAD, SENT, WAITING, Mail, Notice, Webhook, WebhookDelivery
from lilong.foundation.objects.models import StorageUse
from lilong.foundation.outbox.models import Delivery, WaitingEvent
from lilong.foundation.outbox.public import emit, take_lease
from lilong.foundation.record.models import Cosignature, Entry, Head
from lilong.foundation.record.public import seal
from lilong.foundation.runs.services.pools import set_draining
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.protocol.messages import AttemptState
from lilong.web.metrics import METRICS, read_numbers, render_metrics
from lilong.web.rounds import LEASE
from tests.architecture.house import REPOSITORY
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_stall
from tests.people import found_organisation
from tests.pools import at, make_node
from tests.pools import settle as settle_runs
from tests.record_hub import record

QUERIES_MAX = 16
DAY_S = 24 * 3600
WITNESS_KEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
HOW_TO = REPOSITORY / "docs" / "how-to" / "look-after-a-hub.md"
MAY_BE_SCANNED = {
    "members_organisation", "members_mail", "notices_webhook", "runs_pool", "objects_storageuse",
    "outbox_waitingevent", "ledger_tail",
}  # fmt: skip
"""Few rows: one for each organisation or pool, or deleted once they are done with."""

needs_database = pytest.mark.django_db


def render(*, seconds=0, accept=""):
    return render_metrics(numbers=read_numbers(now=at(seconds)), accept=accept)


def scrape(*, seconds=0):
    families = text_string_to_metric_families(render(seconds=seconds)[0].decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def fill_hub():
    """Return the agents of two pools and a buyer who has one order that runs, one that is over, and a quote."""
    cores = open_stall(name="cores")
    open_stall(
        name="chips",
        accelerator="h100-sxm5",
        nodes=(
            make_node(name="n0", h100_sxm5=8),
            make_node(name="n1", h100_sxm5=4).model_copy(update={"healthy": False}),
        ),
    )
    buyer = found_buyer()
    over = buy(buyer)
    finish(cores.agent, ms=100_000)
    settle_runs(seconds=110)
    reconcile(now=at(110))
    buy(buyer, seconds=120)
    ask(buyer, seconds=120)
    return cores.agent, buyer, over


def find_scanned(sql, params):
    """Return the tables that a query reads from end to end; an index that has few of the rows does not count."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # what is still scanned has no index for it
            cursor.execute(f"EXPLAIN {sql}", params)
            return re.findall(r"Seq Scan on (\w+)", "\n".join(row[0] for row in cursor.fetchall()))
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%% WHERE %%'", [])
        partial = {name for (name,) in cursor.fetchall()}
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        scans = re.findall(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", "\n".join(row[3] for row in cursor))
    return [table for table, index in scans if index not in partial]


@needs_database
@pytest.mark.parametrize("filled", [False, True])
def test_every_metric_of_the_table_is_served_with_its_meaning(filled):
    if filled:
        fill_hub()
    text, content_type = render()
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}

    assert content_type.startswith("text/plain; version=0.0.4")
    assert {name: (family.type, family.documentation) for name, family in families.items()} == {
        metric.name: ("gauge", metric.meaning) for metric in METRICS
    }
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    assert all(set(sample.labels) == labels[name] for name in families for sample in families[name].samples)


@needs_database
def test_who_asks_for_openmetrics_gets_it():
    fill_hub()
    text, content_type = render(
        accept="application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
    )

    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert len(list(parse_openmetrics(text.decode()))) == len(METRICS)


@needs_database
@pytest.mark.parametrize("filled", [False, True])
def test_a_scrape_asks_the_database_at_most_twelve_times(filled, django_assert_max_num_queries):
    if filled:
        fill_hub()
    with django_assert_max_num_queries(QUERIES_MAX):
        render()


@needs_database
def test_no_table_that_grows_with_time_is_read_whole():
    fill_hub()
    seen = []

    def remember(execute, sql, params, many, context):
        seen.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        read_numbers(now=at(200))
    scanned = {table for sql, params in seen for table in find_scanned(sql, params)}

    assert len(seen) == QUERIES_MAX
    assert scanned <= MAY_BE_SCANNED


@needs_database
def test_the_market_and_its_pools_are_told_as_they_are():
    agent, buyer, over = fill_hub()
    found = scrape(seconds=180)
    over.refresh_from_db()
    held_uc = Order.objects.get(organisation_id=buyer.organisation_id, state="placed").max_uc

    assert over.due_uc
    assert held_uc
    assert found["lilong_build_info", __version__] == 1
    assert found["lilong_orders", "placed"] == 1
    assert found["lilong_orders", "quoted"] == 1
    assert found["lilong_orders", "disputed"] == 0
    assert found["lilong_orders_settled_last_day",] == 1
    assert found["lilong_charged_last_day_credits",] == over.due_uc / CREDIT
    assert found["lilong_runs", "pending"] == 1
    assert found["lilong_runs_ended_last_day", "succeeded"] == 1
    assert found["lilong_pool_attempts", agent.pool_id, "created"] == 1
    assert found["lilong_pool_oldest_queued_attempt_seconds", agent.pool_id] == 60
    assert found["lilong_pool_cores", agent.pool_id] == found["lilong_pool_cores_free", agent.pool_id] == 4
    assert found["lilong_accounts_held_credits", "wallet"] == held_uc / CREDIT
    assert found["lilong_accounts_posted_credits", "wallet"] == 100 - over.due_uc / CREDIT
    paid = [found["lilong_accounts_posted_credits", kind] for kind in ("provider_accruing", "hub_fee")]
    assert sum(paid) == pytest.approx(over.due_uc / CREDIT)
    assert sum(value for key, value in found.items() if key[0] == "lilong_accounts_posted_credits") == pytest.approx(0)


@needs_database
def test_what_was_over_a_day_ago_is_not_told_any_more():
    fill_hub()
    found = scrape(seconds=110 + DAY_S)

    assert found["lilong_orders_settled_last_day",] == 0
    assert found["lilong_charged_last_day_credits",] == 0
    assert found["lilong_runs_ended_last_day", "succeeded"] == 0


@needs_database
def test_an_order_in_dispute_is_live_again():
    _, buyer, over = fill_hub()
    open_dispute(actor=buyer, order_id=over.id, claim_uc=1, reason="It was slow.", now=at(130))
    found = scrape(seconds=180)

    assert found["lilong_orders", "disputed"] == 1
    assert found["lilong_orders_settled_last_day",] == 0
    assert found["lilong_cases_open",] == 1


@needs_database
def test_only_accelerators_of_healthy_nodes_are_free():
    fill_hub()
    found = scrape()
    total = [value for key, value in found.items() if key[0] == "lilong_pool_accelerators"]
    free = [value for key, value in found.items() if key[0] == "lilong_pool_accelerators_free"]

    assert (total, free) == ([12], [8])


@needs_database
def test_silence_and_draining_of_a_pool_are_told():
    stall = open_stall()
    pool_id = stall.agent.pool_id
    stall.agent.sync(seconds=10)
    assert scrape(seconds=70)["lilong_pool_silence_seconds", pool_id] == 60
    assert scrape(seconds=70)["lilong_pool_draining", pool_id] == 0

    set_draining(actor=stall.owner, pool_id=pool_id, draining_at=at(80))
    assert scrape(seconds=90)["lilong_pool_draining", pool_id] == 1


@needs_database
def test_an_attempt_that_runs_waits_no_longer():
    agent, _, _ = fill_hub()
    taken = agent.take(seconds=150)
    agent.sync(agent.see(taken, AttemptState.RUNNING, seconds=160, ms=5_000), seconds=160)
    found = scrape(seconds=180)

    assert found["lilong_pool_attempts", agent.pool_id, "running"] == 1
    assert found["lilong_pool_oldest_queued_attempt_seconds", agent.pool_id] == 0


@needs_database
def test_organisations_and_cases_are_counted():
    for _ in range(2):
        found_organisation(state=OrganisationState.APPLIED)
    open_case(kind="members.admission", subject_id="org_1", organisation_id="org_1", opened_by="", facts={}, now=at(0))
    before, after = scrape(seconds=3 * DAY_S - 1), scrape(seconds=3 * DAY_S)

    assert before["lilong_organisations", "applied"] == 2
    assert (before["lilong_cases_open",], before["lilong_cases_overdue",]) == (1, 0)
    assert (after["lilong_cases_open",], after["lilong_cases_overdue",]) == (1, 1)


@needs_database
def test_events_wait_until_their_last_delivery_is_done_or_given_up():
    with transaction.atomic():
        emit(event=OrganisationApplied(organisation_id="org_1"))
    waiting = WaitingEvent.objects.get()
    seconds = (read_moment(waiting.id) - at(0)).total_seconds() + 30
    found = scrape(seconds=seconds)
    assert found["lilong_outbox_events",] == 1
    assert found["lilong_outbox_oldest_event_seconds",] == pytest.approx(30)

    waiting.dispatched_at = at(seconds)
    waiting.save()
    for number in range(2):
        Delivery.objects.create(id=f"dlv_{number}", event=waiting, subscriber=f"s{number}", next_at=at(0))
    Delivery.objects.filter(id="dlv_0").update(dead_at=at(0))
    found = scrape(seconds=seconds)
    assert (found["lilong_outbox_events",], found["lilong_outbox_dead_letters",]) == (1, 1)

    Delivery.objects.update(dead_at=at(0))
    found = scrape(seconds=seconds)
    assert (found["lilong_outbox_events",], found["lilong_outbox_dead_letters",]) == (0, 2)
    assert found["lilong_outbox_oldest_event_seconds",] == 0


@needs_database
def test_a_worker_is_told_while_it_holds_its_lease():
    assert scrape()["lilong_worker_running",] == 0

    take_lease(name=LEASE, holder="test", seconds=6, now=at(0))
    assert scrape(seconds=5)["lilong_worker_running",] == 1
    assert scrape(seconds=7)["lilong_worker_running",] == 0


@needs_database
def test_the_record_is_told_as_far_as_outsiders_see_it():
    assert ("lilong_record_head_age_seconds",) not in scrape()

    record(1)
    assert scrape()["lilong_record_entries_unsealed",] == 1

    seal(now=at(10))
    found = scrape(seconds=40)
    assert found["lilong_record_entries",] == found["lilong_record_entries_published",] == Entry.objects.count()
    assert found["lilong_record_entries_unsealed",] == 0
    assert found["lilong_record_head_age_seconds",] == 30


@needs_database
def test_a_head_that_lacks_witnesses_is_not_published(settings):
    record(1)
    seal(now=at(10))
    settings.LILONG = settings.LILONG.model_copy(update={"witnesses": (f"http://127.0.0.1:9 {WITNESS_KEY}",)})
    before = scrape(seconds=40)
    Cosignature.objects.create(id="cos_1", head=Head.objects.get(), witness_key=WITNESS_KEY, line="-")
    after = scrape(seconds=40)

    assert (before["lilong_record_entries_published",], ("lilong_record_head_age_seconds",) in before) == (0, False)
    assert after["lilong_record_entries_published",] == before["lilong_record_entries",] > 0
    assert after["lilong_record_head_age_seconds",] == 30


@needs_database
def test_mails_and_deliveries_that_wait_or_failed_for_good_are_counted_with_the_age_of_the_oldest():
    quiet = scrape()
    assert {quiet["lilong_mails_waiting", queue] for queue in ("sign-in", "notices")} == {0}
    assert quiet["lilong_mails_oldest_waiting_seconds", "sign-in"] == 0

    SignInMail.objects.create(id="mail_1", sealed="-", created_at=at(0), due_at=at(0))
    for number, state in enumerate([WAITING, WAITING, DEAD, SENT]):
        Mail.objects.create(
            id=f"mal_{number}", person_id="per_1", organisation_id="org_1", kind="x", hour=at(0), is_digest=False,
            written_at=at(number * 10), next_at=at(0), state=state,
        )  # fmt: skip
    notice = Notice.objects.create(
        id="ntc_1", kind="x", subject_id="s", occasion="", organisation_id="org_1", params={}, posted_at=at(0)
    )
    for number, changes in enumerate([{}, {"failing_since": at(0)}, {"failing_since": at(0), "disabled_at": at(5)}]):
        webhook = Webhook.objects.create(
            id=f"whk_{number}",
            organisation_id="org_1",
            url="https://a.example",
            kinds=[],
            secret="-",
            created_at=at(0),
            **changes,
        )
        over = {"given_up_at": at(5)} if number == 2 else {}
        WebhookDelivery.objects.create(
            id=f"dlv_{number}", webhook=webhook, notice=notice, made_at=at(number * 10), next_at=at(0), **over
        )
    found = scrape(seconds=40)

    assert (found["lilong_mails_waiting", "sign-in"], found["lilong_mails_waiting", "notices"]) == (1, 2)
    assert found["lilong_mails_oldest_waiting_seconds", "sign-in"] == 40
    assert found["lilong_mails_oldest_waiting_seconds", "notices"] == 40
    assert found["lilong_mails_undelivered",] == 1
    assert found["lilong_webhook_deliveries_waiting",] == 2
    assert found["lilong_webhook_deliveries_oldest_waiting_seconds",] == 40
    assert (found["lilong_webhooks_failing",], found["lilong_webhooks_disabled",]) == (1, 1)


@needs_database
def test_bytes_of_all_organisations_are_added():
    for number in (1, 2):
        StorageUse.objects.create(organisation_id=f"org_{number}", used_bytes=number * 1000)

    assert scrape()["lilong_objects_used_bytes",] == 3000


def test_names_follow_the_conventions_of_prometheus():
    names = [metric.name for metric in METRICS]

    assert len(set(names)) == len(names)
    assert not [name for name in names if not re.fullmatch(r"lilong(_[a-z]+)+", name)]
    assert not [name for name in names if name.endswith("_total")], "no gauge is called a counter"
    assert not [name for name in names if re.search(r"_(ms|uc|mib|minutes|percent)(_|$)", name)]


def test_the_how_to_speaks_of_metrics_that_exist():
    text = HOW_TO.read_text(encoding="utf-8")
    scraping, rules = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    named = {name for rule in alerts for name in re.findall(r"\blilong_\w+", rule["expr"])}

    assert scraping["scrape_configs"][0]["job_name"] == "lilong"
    assert len(alerts) == 4
    assert all(set(rule) == {"alert", "expr", "for", "annotations"} for rule in alerts)
    assert named
    assert named <= {metric.name for metric in METRICS}
