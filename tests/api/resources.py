"""One real resource for every id that an address of the API may hold, all of one organisation.

`MAKERS` names them by the word before the id in the address: a new route whose word is not there fails its test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar

from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role
from lilong.common.time import utc_now
from lilong.foundation.cases.models import Case
from lilong.foundation.ledger.models import BankEntry, TopUp
from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.foundation.ledger.services.bank import import_statements
from lilong.foundation.ledger.services.payments import request_pay_out, request_top_up
from lilong.foundation.members.models import Membership, OrganisationStanding, Token
from lilong.foundation.members.services.evidence import give_evidence
from lilong.foundation.members.services.invitations import invite_member
from lilong.foundation.members.services.vault import put_secret
from lilong.foundation.notices.models import DEAD, Letter, Mail, Notice, Webhook, WebhookDelivery
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.services.posting import tell_notices
from lilong.foundation.notices.services.webhooks import register_webhook
from lilong.foundation.objects.public import begin_upload
from lilong.foundation.objects.services.links import make_link
from lilong.foundation.outbox.core.retries import ATTEMPTS_MAX
from lilong.foundation.outbox.models import Delivery
from lilong.foundation.outbox.public import Event, deliver, emit
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.services.volumes import create_volume, put_volume
from lilong.platforms.stack.public import Confidence, Draft, Source, Tier
from lilong.platforms.stack.services import add_claim
from lilong.platforms.supermarket.core.budgets import BudgetScope
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.budgets import open_project
from lilong.protocol.exports import QUOTE_FILE
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import AttemptState, Submit
from tests.bank import make_entry, make_statement, write_table
from tests.bytes import digest, fresh, fresh_document, upload
from tests.invoices import write_invoice
from tests.market import CREDIT, Seller, ask, buy, finish, open_stall, pay_in, wallet_of
from tests.packs import keep_pack
from tests.people import NOW, found_operator, found_owner, join
from tests.pools import at, make_spec
from tests.programmes import RULE, make_programme, write_pack
from tests.record_hub import seal_all
from tests.spending import limit_spending

FILE = b"the one file of a folder"
FOLDER = Manifest(files=(ManifestFile(path="a.txt", sha256=digest(FILE), size_bytes=len(FILE)),)).to_bytes()


@dataclass(frozen=True, slots=True)
class Belongings:
    """What one organisation has: it sells, and it bought from itself one order that is settled and one that runs."""

    owner: Actor
    seller: Seller
    settled: Order
    running: Order
    attempt: Submit
    input_sha256: str


@dataclass(frozen=True, slots=True)
class BellRung(Event):
    """Something happened that its one subscriber cannot cope with."""

    name: ClassVar[str] = "tests.bell_rung"


def make_belongings() -> Belongings:
    """Make an organisation with all that an organisation can have; it finds no other provider on the shelf."""
    seller = open_stall(credit_ppm=10_000)
    owner = seller.owner
    pay_in(wallet_of(owner), 100 * CREDIT)
    pay_in(open_account(kind=AccountKind.PROVIDER_AVAILABLE, owner_id=owner.organisation_id, purpose="", now=NOW), 10)
    upload_folder(owner.organisation_id)
    settled = buy(owner)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(70))
    seal_all(at(71))
    content = fresh(10)
    wanted = [{"object_sha256": upload(content, organisation_id=owner.organisation_id), "mount": "data.bin"}]
    running = buy(owner, spec=make_spec(name="evaluate", inputs=wanted), seconds=80)
    attempt = seller.agent.take(seconds=81)
    seller.agent.sync(seller.agent.see(attempt, AttemptState.RUNNING, seconds=90, ms=5_000), seconds=90)
    return Belongings(owner, seller, settled, running, attempt, digest(content))


def upload_folder(organisation_id: str) -> str:
    """Upload a folder with one file; return the digest of its manifest."""
    upload(FILE, organisation_id=organisation_id)
    manifest_sha256: str = upload(FOLDER, organisation_id=organisation_id)
    return manifest_sha256


def make_claim(_: Belongings) -> str:
    """Let an operator claim something of an accelerator."""
    draft = Draft(
        property="memory_gb",
        value="94",
        tier=Tier.PRESS,
        confidence=Confidence.LOW,
        source=Source(title=f"Somebody, {new_id('src')}"),
    )
    return add_claim(actor=found_operator(), name="h100-sxm5", draft=draft, now=NOW)


def make_dead_letter(_: Belongings) -> str:
    """Let a delivery fail until it is given up."""

    def cannot_cope(_payload: Mapping[str, object], **_moment: object) -> None:
        raise RuntimeError("not today")

    with transaction.atomic():
        emit(event=BellRung())
    for number in range(ATTEMPTS_MAX):
        deliver(now=NOW + timedelta(days=number), subscribers={BellRung.name: [cannot_cope]})
    return Delivery.objects.get(dead_at__isnull=False).id


def make_membership(own: Belongings) -> str:
    """Take in one person more."""
    return Membership.objects.get(person_id=join(own.owner, Role.VIEWER).person_id).id


def make_evidence(own: Belongings) -> str:
    """Put a document into the wallet."""
    now = utc_now()
    return give_evidence(
        actor=own.owner,
        kind="registration",
        title="Registration",
        sha256=upload(fresh_document(10), organisation_id=own.owner.organisation_id, now=now),
        issued_on=now.date(),
        expires_on=None,
        now=now,
    ).id


def make_invitation(own: Belongings) -> str:
    """Invite somebody."""
    now = utc_now()
    return invite_member(actor=own.owner, email=f"guest{now:%H%M%S%f}@example.org", role=Role.VIEWER, now=now).id


def make_secret(own: Belongings) -> str:
    """Keep a secret."""
    put_secret(actor=own.owner, name="API_KEY", value="one two three", now=NOW)
    return "API_KEY"


def make_token(own: Belongings) -> str:
    """Return the id of the token of one person more."""
    return Token.objects.get(membership_id=make_membership(own), ended_at=None).id


def make_top_up(own: Belongings) -> str:
    """Ask for money to be entered."""
    organisation_id = own.owner.organisation_id
    case_id = request_top_up(
        actor=own.owner, organisation_id=organisation_id, amount_uc=1, reference="payment 1", now=NOW
    )
    return TopUp.objects.get(case_id=case_id).id


def make_pay_out(own: Belongings) -> str:
    """Ask for money to be paid out."""
    return request_pay_out(
        actor=own.owner, organisation_id=own.owner.organisation_id, amount_uc=1, beneficiary="DE00", now=NOW
    )


def make_upload(own: Belongings) -> str:
    """Begin to upload an object."""
    content = fresh(10)
    return begin_upload(
        organisation_id=own.owner.organisation_id, sha256=digest(content), size_bytes=len(content), now=utc_now()
    ).upload_id


def make_volume(own: Belongings) -> str:
    """Create a volume with a file in it."""
    volume_id = create_volume(actor=own.owner, name="data", max_bytes=1000, now=NOW).id
    put_volume(actor=own.owner, volume_id=volume_id, manifest_sha256=digest(FOLDER), now=utc_now())
    return volume_id


def make_object_link(own: Belongings) -> str:
    """Link to the input of the order that runs."""
    return make_link(
        organisation_id=own.owner.organisation_id, sha256=own.input_sha256, seconds=600, now=utc_now()
    ).token


def make_letter(own: Belongings) -> str:
    """Tell the owner of something."""
    with transaction.atomic():
        post_notice(
            kind="runs.run_failed",
            subject_id=own.running.run_id,
            occasion="for the owner",
            organisation_id=own.owner.organisation_id,
            person_ids=[own.owner.person_id],
            params={"name": "evaluate", "state": "failed", "reason": "", "detail": ""},
            now=NOW,
        )
    tell_notices(now=NOW)
    return Letter.objects.get(occasion="for the owner").id


def make_webhook(own: Belongings) -> str:
    """Register the one webhook of the organisation, or return it."""
    known = Webhook.objects.filter(organisation_id=own.owner.organisation_id).first()
    if known is not None:
        return known.id
    url = "https://hooks.example.org/"
    return register_webhook(actor=own.owner, url=url, kinds=["runs.run_failed"], now=NOW).webhook_id


def make_delivery(own: Belongings) -> str:
    """Address a notice to the webhook."""
    webhook = Webhook.objects.get(id=make_webhook(own))
    notice = Notice.objects.filter(organisation_id=own.owner.organisation_id).earliest("id")
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            id=new_id("msg"), webhook=webhook, notice=notice, made_at=NOW, next_at=NOW
        )
    return delivery.id


def make_dead_mail(own: Belongings) -> str:
    """Write a mail that was given up."""
    with transaction.atomic():
        mail = Mail.objects.create(
            id=new_id("mal"),
            person_id=own.owner.person_id,
            organisation_id=own.owner.organisation_id,
            kind="runs.run_failed",
            hour=NOW,
            is_digest=False,
            written_at=NOW,
            next_at=NOW,
            state=DEAD,
        )
    return mail.id


def make_project(own: Belongings) -> str:
    """Open a project."""
    return open_project(actor=own.owner, name=new_id("x"), now=NOW)


def make_budget(own: Belongings) -> str:
    """Set a budget of a project of its own."""
    return limit_spending(own.owner, CREDIT, name=new_id("x"), scope=BudgetScope.PROJECT, subject_id=make_project(own))


def make_invoice(own: Belongings) -> str:
    """Write an invoice of the organisation."""
    return write_invoice(own.owner.organisation_id)


def make_bank_statement(_: Belongings) -> str:
    """Import a statement of the hub's bank, the same for all."""
    statement = make_statement([make_entry(5, reference="B1", text="somebody's")])
    operator, now = found_operator(now=utc_now()), utc_now()
    return import_statements(actor=operator, content=write_table(statement), now=now).statement_ids[0]


def make_bank_entry(own: Belongings) -> str:
    """Import a statement, and return the id of its one entry."""
    return BankEntry.objects.get(lines__statement_id=make_bank_statement(own)).id


MAKERS: Mapping[str, Callable[[Belongings], str]] = MappingProxyType(
    {
        "accelerators": lambda _: "h100-sxm5",
        "accounts": lambda own: wallet_of(own.owner),
        "attempts": lambda own: own.attempt.attempt_id,
        "claims": make_claim,
        "bank-entries": make_bank_entry,
        "bank-statements": make_bank_statement,
        "budgets": make_budget,
        "cases": lambda own: Case.objects.get(subject_id=make_top_up(own)).id,
        "dead-letters": make_dead_letter,
        "audit-packs": lambda own: keep_pack(own.owner.organisation_id),
        "deliveries": make_delivery,
        "entries": lambda own: Entry.objects.filter(subject_id=own.settled.id)[0].id,
        "evidence": make_evidence,
        "exports": lambda _: QUOTE_FILE,
        "invitations": make_invitation,
        "invoices": make_invoice,
        "links": make_object_link,
        "log": lambda _: "0",
        "mails": make_dead_mail,
        "members": make_membership,
        "notices": make_letter,
        "objects": lambda own: own.input_sha256,
        "offers": lambda own: own.seller.offer_id,
        "orders": lambda own: own.settled.id,
        "organisations": lambda own: own.owner.organisation_id,
        "pay-outs": make_pay_out,
        "people": lambda own: join(own.owner, Role.VIEWER).person_id,
        "preferences": lambda _: "runs.run_failed",
        "pools": lambda own: own.seller.agent.pool_id,
        "projects": make_project,
        "programmes": lambda _: make_programme().id,
        "providers": lambda own: own.seller.provider_id,
        "quotes": lambda own: ask(own.owner, seconds=100).id,
        "related": lambda _: found_owner().organisation_id,
        "runs": lambda own: own.running.run_id,
        "secrets": make_secret,
        "standings": lambda own: OrganisationStanding.objects.get(organisation_id=own.owner.organisation_id).id,
        "tokens": make_token,
        "top-ups": make_top_up,
        "uploads": make_upload,
        "volumes": make_volume,
        "webhooks": make_webhook,
    }
)

QUERIES: Mapping[str, str] = MappingProxyType(
    {
        "PUT /agent/v1/attempts/{attempt_id}/log/{rank}": "offset=0",
        "PUT /agent/v1/attempts/{attempt_id}/objects/{sha256}": "offset=0&size=10",
        "PUT /api/v1/uploads/{upload_id}": "offset=0",
        "DELETE /api/v1/volumes/{volume_id}/files": "path=a.txt",
    }
)
"""What the address has to say besides."""


def make_bodies(ids: Mapping[str, str]) -> dict[str, object]:
    """Return a right body for every operation with an id that reads one."""
    now = utc_now()
    offer = {"pool_id": ids["pools"], "name": "x", "unit": Unit.CORE, "memory_mib_per_unit": 1024}
    return {
        "PATCH /api/v1/pools/{pool_id}": {"draining": True},
        "POST /api/v1/bank-entries/{entry_id}/match": {"payment_id": ids["top-ups"]},
        "PUT /api/v1/pools/{pool_id}/maintenance": {"starts_at": str(now), "ends_at": str(now + timedelta(hours=1))},
        "POST /api/v1/accelerators/{name}/claims": {
            "property": "memory_gb",
            "value": "96",
            "tier": "press",
            "confidence": "low",
            "source": {"title": "Somebody"},
        },
        "POST /api/v1/claims/{claim_id}/withdraw": {"reason": "Wrong."},
        "POST /api/v1/cases/{case_id}/appeals": {"reason": "Look again."},
        "PUT /api/v1/cases/{case_id}/assignment": {"person_id": ""},
        "PUT /api/v1/notices/preferences/{kind}": {"by_mail": "no"},
        "POST /api/v1/cases/{case_id}/decisions": {"decision": "approve", "reason": "Seen."},
        "POST /api/v1/cases/{case_id}/evidence/{evidence_id}/verify": {"reason": "Seen."},
        "POST /api/v1/members/{membership_id}/role": {"role": "billing"},
        "POST /api/v1/objects/{sha256}/links": {"seconds": 60},
        "POST /api/v1/offers/{offer_id}/prices": {"price_uc": 5, "source": "price list"},
        "POST /api/v1/orders/{order_id}/approve": {"reason": "Needed."},
        "POST /api/v1/orders/{order_id}/refuse": {"reason": "Too dear."},
        "POST /api/v1/orders/{order_id}/disputes": {"claim_uc": 1, "reason": "It was slow."},
        "POST /api/v1/organisations/{organisation_id}/reinstate": {"reason": "Paid."},
        "POST /api/v1/organisations/{organisation_id}/standings": {"kind": "sponsor", "reason": "Agreed."},
        "POST /api/v1/organisations/{organisation_id}/standings/{standing_id}/end": {
            "ends_on": str(now.date() + timedelta(days=1)),
            "reason": "Moved out.",
        },
        "POST /api/v1/organisations/{organisation_id}/suspend": {"reason": "Unpaid."},
        "POST /api/v1/people/{person_id}/second-factor/reset": {"reason": "Lost the phone."},
        "POST /api/v1/pay-outs/{pay_out_id}/sent": {"bank_reference": "1"},
        "POST /api/v1/people/{person_id}/erase": {"reason": "Asked for."},
        "POST /api/v1/programmes/{programme_id}/fund": {"amount_uc": 1, "reference": "payment 1"},
        "POST /api/v1/programmes/{programme_id}/rules": {
            "pack": write_pack(RULE, version=2),
            "valid_from": str(now + timedelta(days=1)),
        },
        "POST /api/v1/providers/{provider_id}/offers": offer,
        "POST /api/v1/providers/{provider_id}/service-levels": {"name": "gold", "credit_ppm": 5},
        "PUT /api/v1/secrets/{name}": {"value": "four five six"},
        "PUT /api/v1/volumes/{volume_id}": {"manifest_sha256": digest(FOLDER)},
        "PATCH /api/v1/volumes/{volume_id}/files": {"path": "a.txt", "new_path": "b.txt"},
    }
