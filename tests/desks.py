"""A neighbourhood with something on every desk, and browsers of the people in it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from lilong.common.permissions import Actor, Role
from lilong.foundation.cases.reactions import reconcile as judge
from lilong.foundation.ledger.models import PayOut, Transfer
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.bank import import_statements
from lilong.foundation.ledger.services.payments import request_pay_out, request_top_up
from lilong.foundation.members.models import FactorLoss, Person, RefusedMail
from lilong.foundation.members.models import Mail as SignInMail
from lilong.foundation.members.public import OrganisationKind, OrganisationState
from lilong.foundation.members.services.factor_losses import ask_for_removal, prove_mail
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.notices.models import DEAD, WAITING, DeliveryTry, Mail, Notice, Webhook, WebhookDelivery
from lilong.foundation.outbox.models import Delivery, WaitingEvent
from lilong.foundation.record.public import seal
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.services.pools import announce_maintenance
from lilong.platforms.funding.core.rules import ClawBackReason
from lilong.platforms.funding.models import Voucher
from lilong.platforms.funding.reactions import reconcile as keep_programmes
from lilong.platforms.funding.services.claw_backs import ask_back
from lilong.platforms.stack.queries import load_shipped
from lilong.platforms.supermarket.core.budgets import BudgetPeriod, BudgetScope
from lilong.platforms.supermarket.models import Order, Provider, StartRecord
from lilong.platforms.supermarket.reactions import reconcile as keep_shop
from lilong.platforms.supermarket.services.budgets import open_project
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.platforms.supermarket.services.orders import place_order
from lilong.protocol.spec import RunSpec
from tests.bank import FIRST, make_entry, make_statement, write_camt
from tests.counting import note_reputation
from tests.market import CREDIT, ask, buy, finish, found_buyer, open_own_pool, open_stall, pay_in, wallet_of
from tests.measuring import note_measurement
from tests.people import act, found_operator, found_organisation, join
from tests.pools import NOON, at, make_node, make_spec
from tests.programmes import approve, give_used_voucher, hand_in_version
from tests.sign_ins import Browser, read_code
from tests.spending import limit_spending, need_approval

HOUR_S = 3600


def browse_as(actor: Actor) -> Browser:
    """Return a browser in which the actor's person is signed in."""
    browser = Browser(host=settings.ALLOWED_HOSTS[0])
    with transaction.atomic():
        browser.client.force_login(Person.objects.get(pk=actor.person_id))
    return browser


class Neighbourhood:
    """A hub in use: an application, a top-up that is overdue, a dispute, a pay-out to send, a pool not seen, a lost
    second factor, voucher money that was asked back, a version of a rule that waits, a dead letter, mails and webhooks
    that do not arrive; and orders that run, on a pool of which maintenance is announced.
    """

    def __init__(self, *, now: datetime) -> None:
        self.now = now
        self.operator, self.colleague = found_operator(now=now), found_operator(now=now)
        nodes = (make_node(name="n0", h100_sxm5=8), make_node(name="n1", h100_sxm5=8))
        self.seller = open_stall(name="hall-2", accelerator="h100-sxm5", nodes=nodes, now=now)
        open_own_pool(self.seller.owner, name="old-hall")
        self.buyer = found_buyer(now=now)
        self.cases: dict[str, str] = {}
        self._trade()
        self._ask_for_much()
        self._pay()
        self._bank()
        self._ask_back()
        self._apply()
        self._lose_factor()
        self._fail_to_tell()
        with transaction.atomic():
            event = WaitingEvent.objects.create(id="evt_1", name="cases.decided", payload={}, dispatched_at=now)
            Delivery.objects.create(
                id="dlv_1",
                event=event,
                subscriber="lilong.foundation.ledger.reactions.on_case_decided",
                attempts=10,
                next_at=now,
                dead_at=now,
                last_error="OperationalError: could not connect to the bank's statement server",
            )
        seal(now=now)

    def _trade(self) -> None:
        spec = make_spec(resources={"accelerator": "h100-sxm5", "accelerators": 2})
        seconds = (self.now - NOON).total_seconds()
        settled = buy(self.buyer, spec=spec, seconds=seconds)
        finish(self.seller.agent, ms=60_000, seconds=seconds + 1)
        later = self.now + timedelta(seconds=90)
        keep_shop(now=later)
        self.disputed_id = settled.id
        due_uc = Order.objects.get(id=settled.id).due_uc or 1
        self.cases["dispute"] = open_dispute(
            actor=self.buyer, order_id=settled.id, claim_uc=due_uc, reason="The node was slow.", now=later
        )
        self.order = buy(self.buyer, spec=spec, seconds=seconds + 90)
        self._score_starts()
        note_measurement(offer_id=self.seller.offer_id, order_id=settled.id, now=later)
        pool_id = self.seller.agent.pool_id
        note_reputation(provider_id=self.seller.provider_id, pool_id=pool_id, order_id=settled.id, now=later)
        self.awaiting = self._limit_spending(spec, seconds=seconds + 91)
        self.seller.agent.take(seconds=seconds + 91)
        self.seller.agent.sync(seconds=seconds + HOUR_S)
        window = Maintenance(self.now + timedelta(days=2), self.now + timedelta(days=2, hours=4), "New cooling.")
        announce_maintenance(actor=self.seller.owner, pool_id=self.seller.agent.pool_id, window=window, now=self.now)

    def _score_starts(self) -> None:
        """Let estimates of starts have been scored in two months, in the earlier one poorly."""
        this = self.now.date().replace(day=1)
        months = ((this, 21, 37), ((this - timedelta(days=1)).replace(day=1), 30, 31))
        with transaction.atomic():
            for month, within_p50, within_p90 in months:
                StartRecord.objects.create(
                    pool_id=self.seller.agent.pool_id,
                    month=month,
                    began=40,
                    given_up=2,
                    judged_p50=40,
                    within_p50=within_p50,
                    judged_p90=41,
                    within_p90=within_p90,
                    median_error_ms=90_000,
                    loss_p50_ms=55_000,
                    loss_p90_ms=21_000,
                )

    def _limit_spending(self, spec: RunSpec, *, seconds: float) -> str:
        """Let the buyer set budgets, and somebody else of it place an order that waits for an approval."""
        owner = self.buyer
        project_id = open_project(actor=owner, name="speech", now=self.now)
        limit_spending(owner, 200 * CREDIT, name="everything", seconds=seconds)
        limit_spending(
            owner,
            50 * CREDIT,
            name="speech 2026",
            scope=BudgetScope.PROJECT,
            subject_id=project_id,
            period=BudgetPeriod.OPEN,
            seconds=seconds,
        )
        need_approval(owner, above_uc=0)
        colleague = join(owner, Role.MEMBER, now=self.now)
        quote_id = ask(colleague, spec=spec, seconds=seconds).id
        order_id = place_order(actor=colleague, quote_id=quote_id, now=at(seconds))
        need_approval(owner, above_uc=100 * CREDIT)
        return order_id

    def _ask_for_much(self) -> None:
        """Let another buyer ask for more card-hours than go through at once, and for a quote of more still."""
        self.researcher = found_buyer(wallet_uc=20_000 * CREDIT, now=self.now)
        seconds = (self.now - NOON).total_seconds() + 92
        resources = {"accelerator": "h100-sxm5", "accelerators": 8}
        spec = make_spec(name="tides", nodes=2, resources=resources, walltime_s=13 * 24 * HOUR_S + 2 * HOUR_S)
        self.seller.agent.sync(seconds=seconds)
        reviewed = ask(self.researcher, spec=spec, seconds=seconds)
        place_order(
            actor=self.researcher, quote_id=reviewed.id, purpose="A model of the city's tides.", now=at(seconds)
        )
        self.reviewed = Order.objects.get(id=reviewed.order_id)
        self.cases["review"] = self.reviewed.review.case_id
        self.large = ask(self.researcher, spec=spec, seconds=seconds)

    def _pay(self) -> None:
        owner, now = self.buyer, self.now
        self.cases["top_up"] = request_top_up(
            actor=owner, organisation_id=owner.organisation_id, amount_uc=250 * CREDIT, reference="INV-7", now=now
        )
        self.cases["late"] = request_top_up(
            actor=owner,
            organisation_id=owner.organisation_id,
            amount_uc=40 * CREDIT,
            reference="INV-6",
            now=now - timedelta(days=20),
        )
        pay_in(Provider.objects.get(id=self.seller.provider_id).available_account_id, 90 * CREDIT)
        seller = self.seller.owner
        for beneficiary in ("Hall AG, DE00 1234", "Hall AG, DE00 9999"):
            request_pay_out(
                actor=seller,
                organisation_id=seller.organisation_id,
                amount_uc=30 * CREDIT,
                beneficiary=beneficiary,
                now=now,
            )
            if "pay_out" not in self.cases:
                self.cases["pay_out"] = self._approve_pay_out()

    def _bank(self) -> None:
        """Import a statement with a top-up, a pay-out, one that was paid short and a fee; and a later one."""
        day = (self.now.date() - FIRST).days - 6
        pay_out_id = PayOut.objects.get(case_id=self.cases["pay_out"]).id
        entries = [
            make_entry(250_00, day=day, reference="2026/0331-1", text="Computing power, INV-7", name="Lane Robotics"),
            make_entry(-30_00, day=day + 1, reference="2026/0331-2", text=f"Earnings {pay_out_id}", name="Hall AG"),
            make_entry(39_00, day=day + 2, reference="2026/0331-3", text="INV-6", name="Lane Robotics"),
            make_entry(-1_50, day=day + 2, text="Fees of the month", name=""),
        ]
        first = make_statement(entries, opening_minor=1_000_00, day=day, days=3)
        later = make_statement(opening_minor=1_260_00, day=day + 5)
        for statement in (later, first):
            report = import_statements(actor=self.operator, content=write_camt(statement), now=self.now)
            self.statement_id = report.statement_ids[0]

    def _approve_pay_out(self) -> str:
        case_id: str = PayOut.objects.get().case_id
        approve(case_id, now=self.now)
        keep_books(self.now)
        return case_id

    def _ask_back(self) -> None:
        """Let what a voucher paid for one order be taken back, and leave another to be asked for."""
        owner, now = self.buyer, self.now
        self.voucher_id = give_used_voucher(
            owner.organisation_id, order_ids=[self.disputed_id, self.order.id], name="Compute", now=now
        )
        self.cases["claw_back"] = ask_back(
            actor=self.operator,
            voucher_id=self.voucher_id,
            reason=ClawBackReason.FALSE_DECLARATION,
            detail="The founding day in the register is another.",
            order_ids=[self.disputed_id],
            now=now,
        )
        approve(self.cases["claw_back"], now=now)
        self.proposal_id = hand_in_version(Voucher.objects.get(id=self.voucher_id).programme, now=now)
        keep_programmes(now=now)

    def _apply(self) -> None:
        kind, state = OrganisationKind.PROVIDER, OrganisationState.APPLIED
        self.applicant = act(found_organisation(kind=kind, state=state, now=self.now).token.secret, now=self.now)
        judge(self.now)

    def _lose_factor(self) -> None:
        person = Person.objects.get(id=self.applicant.person_id)
        ask_for_removal(person_id=person.id, now=self.now)
        prove_mail(person_id=person.id, code=read_code(person.email), said="Ask the owner of our hall.", now=self.now)

    def _fail_to_tell(self) -> None:
        now, owner = self.now, self.buyer
        refused = "550 b'5.1.1 <buyer@example.org>: Recipient address rejected: mailbox is full'"
        down = "ConnectionRefusedError: [Errno 111] Connection refused"
        told = {"kind": "runs.run_failed", "hour": now, "organisation_id": owner.organisation_id}
        mail = told | {"person_id": owner.person_id, "is_digest": False}
        later, long_ago = now + timedelta(hours=4), now - timedelta(hours=3)
        notice = Notice(id="ntc_1", kind="runs.run_failed", subject_id="run_1", params={}, posted_at=now, told_at=now)
        with transaction.atomic():
            Mail.objects.create(
                id="mal_1", state=DEAD, attempts=1, written_at=long_ago, next_at=now, last_error=refused, **mail
            )
            Mail.objects.create(
                id="mal_2", state=WAITING, attempts=6, written_at=long_ago, next_at=later, last_error=down, **mail
            )
            queue_mail(to="late@example.org", subject="Code", text="123456", now=long_ago)
            SignInMail.objects.filter(created_at=long_ago).update(tries=5, due_at=later)
            RefusedMail.objects.create(
                id="mail_1",
                written_at=long_ago,
                refused_at=long_ago,
                tries=1,
                answer="550 5.1.1 <…@example.org>: Recipient address rejected: there is no such mailbox",
            )
            notice.save(force_insert=True)
            for number, (off, status, problem) in enumerate(
                ((None, 503, "It answered with an error."), (now, None, "It did not answer within 15 seconds.")), 1
            ):
                webhook = Webhook.objects.create(
                    id=f"whk_{number}",
                    organisation_id=owner.organisation_id,
                    url=f"https://hooks-{number}.example.org/of/hush-hush",
                    kinds=["runs.run_failed"],
                    created_at=long_ago,
                    failing_since=long_ago,
                    disabled_at=off,
                    disabled_because="nothing was taken since 2026-03-01T12:00:00.000000Z." if off else "",
                )
                delivery = WebhookDelivery.objects.create(
                    id=f"msg_{number}", webhook=webhook, notice=notice, made_at=long_ago, next_at=now, given_up_at=now
                )
                DeliveryTry.objects.create(
                    id=f"try_{number}", delivery=delivery, at=now, status=status, problem=problem, milliseconds=80
                )

    def add_operator(self) -> Actor:
        """Return another operator."""
        return found_operator(now=self.now)

    def sign_in_all(self) -> dict[str, str]:
        """Return a session for each person: the value of its cookie."""
        people = {
            "operator": self.operator,
            "colleague": self.colleague,
            "provider": self.seller.owner,
            "buyer": self.buyer,
            "researcher": self.researcher,
            "applicant": self.applicant,
        }
        return {name: browse_as(actor).session_key for name, actor in people.items()}

    def list_paths(self) -> dict[str, dict[str, str]]:
        """Return the pages of each person, by name."""
        pool = f"/provider/pools/{self.seller.agent.pool_id}"
        return {
            "operator": self._list_operators(),
            "provider": {
                "provider desk": "/provider",
                "pool": pool,
                "new pool": "/provider/pools/new",
                "offer": f"/provider/offers/{self.seller.offer_id}",
                "measured": f"/pools/{self.seller.agent.pool_id}/measurements",
                "reputation": f"/pools/{self.seller.agent.pool_id}/reputation",
                "new offer": "/provider/offers/new",
                "pay-outs": "/provider/pay-outs",
                "own cases": "/cases",
            },
            "buyer": {
                "compare": f"/shelf/compare?offer={self.seller.offer_id}",
                "narrowed shelf": "/shelf?q=vendor+%3D+nvidia&sort=-gang",
                "spending": "/organisation/spending",
                "awaiting order": f"/orders/{self.awaiting}",
                "own case": f"/cases/{self.cases['late']}",
                "claw-back": f"/cases/{self.cases['claw_back']}",
                "own programmes": "/organisation/programmes",
                "own invoices": "/organisation/invoices",
                "no provider": "/provider",
                "record about": f"/record/about/{self.cases['pay_out']}",
            },
            "researcher": {
                "reviewed order": f"/orders/{self.reviewed.id}",
                "large quote": f"/quotes/{self.large.id}",
            },
            "applicant": {"empty provider desk": "/provider", "keep the second factor": "/account/2fa/lost/stop/"},
            "": {"record": "/record", "record entry": "/record/0"},
        }

    def _list_operators(self) -> dict[str, str]:
        transfer = Transfer.objects.filter(subject=self.order.id).order_by("pk")[0]
        return {
            "desk": "/desk",
            "cases": "/desk/cases",
            "case": f"/desk/cases/{self.cases['late']}",
            "review of size": f"/desk/cases/{self.cases['review']}",
            "decided case": f"/desk/cases/{self.cases['pay_out']}",
            "organisations": "/desk/organisations",
            "organisation": f"/desk/organisations/{self.buyer.organisation_id}",
            "providers": "/desk/providers",
            "programmes": "/desk/programmes/reports",
            "voucher rules": "/desk/programmes/replay",
            "versions handed in": "/desk/programmes/rules",
            "version handed in": f"/desk/programmes/rules/{self.proposal_id}",
            "money asked back": "/desk/programmes/claw-backs",
            "ask money back": f"/desk/programmes/claw-backs/{self.voucher_id}",
            "second factors": "/desk/second-factors",
            "second factor": f"/desk/second-factors/{FactorLoss.objects.get().id}",
            "ledger": "/desk/ledger",
            "audit packs": "/desk/packs",
            "invoices": "/desk/invoices",
            "account": f"/desk/ledger/accounts/{wallet_of(self.buyer)}",
            "transfer": f"/desk/ledger/transfers/{transfer.id}",
            "pay-outs to send": "/desk/ledger/pay-outs",
            "bank": "/desk/bank",
            "bank statement": f"/desk/bank/statements/{self.statement_id}",
            "reconciliation": "/desk/bank/reconciliation",
            "pools": "/desk/pools",
            "dead letters": "/desk/dead-letters",
            "undelivered": "/desk/undelivered",
            "accelerator": "/accelerators/h100-sxm5",
            "new claim": "/accelerators/h100-sxm5/claims",
            "withdrawal": f"/claims/{min(load_shipped().claims)}/withdraw",
        }
