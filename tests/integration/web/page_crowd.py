"""Everybody who may come to a hub, what one of its organisations has, and a right form for each page."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role
from lilong.common.time import utc_now
from lilong.foundation.ledger.models import Transfer
from lilong.foundation.members.models import FactorLoss, Person
from lilong.foundation.members.queries.consents import load_consent_terms
from lilong.foundation.members.services.factor_losses import ask_for_removal, prove_mail
from lilong.foundation.members.services.organisations import insert_person
from lilong.foundation.runs.models import Artefact
from tests.api.resources import MAKERS, Belongings, make_belongings
from tests.bank import make_statement, write_table
from tests.market import found_buyer, open_stall
from tests.people import found_operator, join
from tests.programmes import give_used_voucher, hand_in_version, make_programme
from tests.sign_ins import read_code


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody who may look at a hub, what one organisation has, and the real value for each part of an address."""

    own: Belongings
    people: Mapping[str, Actor | None]
    values: dict[str, str]


def gather_crowd() -> Crowd:
    """Make one organisation with all that an organisation can have, and all visitors."""
    now, own = utc_now(), make_belongings()
    people = {
        "stranger": None,
        "newcomer": Actor(person_id=insert_person(email="newcomer@example.org", name="Nia", now=now).id),
        **{role.value: join(own.owner, role, now=now) for role in (Role.VIEWER, Role.BILLING, Role.MEMBER, Role.ADMIN)},
        "owner": own.owner,
        "buyer": found_buyer(now=now),
        "provider": open_stall(name="hall-of-others").owner,
        "operator": found_operator(now=now),
    }
    return Crowd(own, people, make_values(own))


def make_values(own: Belongings) -> dict[str, str]:
    """Return the real value for each part of an address, by the word that stands before it or by its name."""
    left = {"path": "result.txt", "sha256": own.input_sha256, "size_bytes": 10}
    with transaction.atomic():
        Artefact.objects.create(id=new_id("art"), attempt_id=own.attempt.attempt_id, **left)
    return {
        **{word: make(own) for word, make in MAKERS.items()},
        "transfers": Transfer.objects.filter(subject=own.settled.id).order_by("pk")[0].id,
        "record": "0",
        "verify": "verify_record.py",
        "about": own.settled.id,
        "files": "1",
        "sha256": own.input_sha256,
        "oidc": "elsewhere",
        "saml": "elsewhere",
        "stop": "of nobody",
        "people": MAKERS["members"](own),
        "second-factors": make_loss(own),
        "documents": MAKERS["evidence"](own),
        "outcomes": "half_year",
        "keys": "1",
        "packs": MAKERS["audit-packs"](own),
        "statements": MAKERS["bank-statements"](own),
        "entries": MAKERS["bank-entries"](own),
        "rules": hand_in_version(make_programme(name="Changes"), now=utc_now()),
        "claw-backs": give_used_voucher(
            own.owner.organisation_id, order_ids=[own.settled.id], name="Asks back", now=utc_now()
        ),
    }


def make_loss(own: Belongings) -> str:
    """Let somebody ask for the removal of a lost second factor, with the address proven."""
    person_id, now = join(own.owner, Role.VIEWER).person_id, utc_now()
    ask_for_removal(person_id=person_id, now=now)
    code = read_code(Person.objects.get(id=person_id).email)
    prove_mail(person_id=person_id, code=code, said="Ask the owner.", now=now)
    return FactorLoss.objects.get(person=person_id).id


CLAIM: dict[str, object] = {
    "property": "memory_gb",
    "value": "94",
    "tier": "press",
    "confidence": "low",
    "source_title": "Somebody",
    "conditions": "",
    "source_url": "",
    "source_commit": "",
    "source_dated_on": "",
    "note": "",
}


def make_forms(crowd: Crowd) -> dict[str, dict[str, object]]:
    """Return a right form for every page that does nothing with an empty one."""
    today = str(utc_now().date())
    document: dict[str, object] = {
        "kind": "registration",
        "title": "Register",
        "issued_on": today,
        "expires_on": "",
        "document": _make_pdf(),
    }
    job = b"name: first-job\ncommand: python3 train.py\nwalltime: 10m\n"
    return {
        "POST accelerators/<str:name>/claims": CLAIM,
        "POST claims/<str:claim_id>/withdraw": {"reason": "Wrong."},
        "POST account/organisation/": {"organisation_id": crowd.own.owner.organisation_id},
        "POST account/organisations/new/": {"kind": "maker", "name": "Maker"},
        "POST cases/<str:case_id>": {"reason": "Look again."},
        "POST cases/<str:case_id>/documents": {"evidence_id": crowd.values["documents"]},
        "POST desk/cases/<str:case_id>/documents/<str:evidence_id>/verify": {"reason": "Seen."},
        "POST organisation/people/invite": {"email": "new@example.org", "role": "viewer", "language": "en"},
        "POST organisation/webhooks": {"key": uuid4().hex, "url": "https://h.example/", "kinds": "runs.run_failed"},
        "POST organisation/consents": {"version": load_consent_terms().version},
        "POST organisation/outcomes/<str:round_code>": {"people_employed": "3"},
        "POST organisation/evidence/new": document,
        "POST organisation/evidence/<str:evidence_id>/replace": document,
        "POST organisation/ownership": {
            "owners-TOTAL_FORMS": "1",
            "owners-INITIAL_FORMS": "0",
            "owners-0-name": "Ada",
            "owners-0-number": "1",
            "owners-0-share": "100",
            "starts_on": today,
        },
        "POST organisation/standings/ask": {"kind": "sponsor", "reason": "We give machines."},
        "POST organisation/programmes": {"country": "", "founded_on": "", "head_count": "", "purposes": "research"},
        "POST organisation/secrets": {"name": "KEY", "value": "hush"},
        "POST organisation/tokens": {"key": uuid4().hex, "name": "laptop", "scopes": "read", "days": "30"},
        "POST organisation/volumes": {"name": "corpus", "max_gib": "1"},
        "POST organisation/volumes/<str:volume_id>": {"file": SimpleUploadedFile("a.txt", b"a")},
        "POST organisation/volumes/<str:volume_id>/change": {"path": "a.txt", "new_path": "../a.txt"},
        "POST organisation/webhooks/<str:webhook_id>/rotate": {"key": uuid4().hex},
        "POST organisation/people/<str:membership_id>": {"action": "remove"},
        "POST quotes": {"key": uuid4().hex, "job": SimpleUploadedFile("job.yaml", job), "project": ""},
        **_make_desk_forms(crowd, today=today),
        **_make_provider_forms(crowd),
        **_make_spending_forms(),
        **_make_bank_forms(crowd),
        "POST desk/cases/<str:case_id>": {"decision": "approve", "reason": "Seen."},
        "POST desk/organisations/<str:organisation_id>": {"action": "suspend", "reason": "Unpaid."},
    }


def _make_desk_forms(crowd: Crowd, *, today: str) -> dict[str, dict[str, object]]:
    return {
        "POST desk/organisations/<str:organisation_id>/standings": {
            "kind": "sponsor",
            "starts_on": today,
            "ends_on": "",
            "reason": "Agreed.",
        },
        "POST desk/organisations/<str:organisation_id>/standings/<str:standing_id>/end": {
            "ends_on": today,
            "reason": "Moved out.",
        },
        "POST desk/programmes/claw-backs/<str:voucher_id>": {
            "order_ids": [crowd.own.settled.id],
            "reason": "related_party",
            "detail": "The same owner.",
        },
        "POST desk/second-factors/<str:loss_id>": {"decision": "grant", "reason": "Called."},
    }


def _make_provider_forms(crowd: Crowd) -> dict[str, dict[str, object]]:
    return {
        "POST desk/providers": {"organisation_id": crowd.own.owner.organisation_id, "fee": "5"},
        "POST provider/offers/new": {
            "key": uuid4().hex,
            "name": "Cores",
            "pool": crowd.own.seller.agent.pool_id,
            "accelerator": "",
            "service_level": "",
            "cores": "1",
            "memory_gib": "4",
        },
        "POST provider/offers/<str:offer_id>": {
            "key": uuid4().hex,
            "price": "0.5",
            "valid_from": "",
            "valid_until": "",
            "source": "Price list.",
        },
        "POST provider/pay-outs": {"amount": "0.000001", "beneficiary": "DE00"},
        "POST provider/pools/new": {"name": "another-hall", "engine": "local"},
        "POST provider/pools/<str:pool_id>": {"starts_at": "2099-01-01T00:00", "ends_at": "2099-01-01T01:00"},
    }


def _make_bank_forms(crowd: Crowd) -> dict[str, dict[str, object]]:
    return {
        "POST desk/bank/import": {"file": SimpleUploadedFile("march.csv", write_table(make_statement()))},
        "POST desk/bank/entries/<str:entry_id>/match": {"payment_id": crowd.values["top-ups"]},
        "POST desk/ledger/pay-outs": {"pay_out_id": crowd.values["pay-outs"], "bank_reference": "1"},
    }


def _make_spending_forms() -> dict[str, dict[str, object]]:
    return {
        "POST organisation/invoices": {"name": "Lane AG", "address": "1 Lane", "tax_number": ""},
        "POST orders/<str:order_id>/approval": {"decision": "approved", "reason": "Needed."},
        "POST organisation/spending/budgets": {
            "name": "all",
            "about": "organisation",
            "period": "month",
            "limit": "500",
        },
        "POST organisation/spending/projects": {"project_name": "speech"},
        "POST organisation/spending/rule": {"approval_above": "10", "low_balance": "5"},
    }


def _make_pdf() -> SimpleUploadedFile:
    return SimpleUploadedFile("register.pdf", b"%PDF-1.7 of the register")
