"""The matrix of who may open and send which page: a rule for each, and what each visitor gets under each rule.

A new page needs one line in `ROWS`; what it takes besides an empty form, one in `make_forms`; a word of its address
that nothing here makes a real id for, one in `MAKERS` of `tests/api/resources.py` or in `make_values`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role
from lilong.common.time import utc_now
from lilong.foundation.ledger.models import Transfer
from lilong.foundation.members.models import FactorLoss, Person
from lilong.foundation.members.services.factor_losses import ask_for_removal, prove_mail
from lilong.foundation.members.services.organisations import insert_person
from lilong.foundation.runs.models import Artefact
from tests.api.resources import MAKERS, Belongings, make_belongings
from tests.market import found_buyer, open_stall
from tests.people import found_operator, join
from tests.sign_ins import read_code

VISITORS = (
    "stranger",
    "newcomer",
    "viewer",
    "billing",
    "member",
    "admin",
    "owner",
    "buyer",
    "provider",
    "operator",
)
"""Nobody known; a person of no organisation; the roles of the organisation that everything belongs to; the owners of
two others, of which one sells; an operator of the hub."""

YES, SIGN_IN, FOUND, NO, NONE = "yes", "sign in", "found", "403", "404"
OUTCOMES = (YES, SIGN_IN, FOUND, NO, NONE)
"""Let in, whatever is then said of a made-up form; sent to sign in and back; sent to found an organisation and back."""

# fmt: off
RULES: Mapping[str, Sequence[str]] = MappingProxyType({
    #              stranger newcomer viewer billing member admin owner  buyer provider operator
    "EVERYBODY":  (YES,     YES,     YES,   YES,    YES,   YES,  YES,   YES,  YES,     YES),
    "NOBODY":     (NONE,    NONE,    NONE,  NONE,   NONE,  NONE, NONE,  NONE, NONE,    NONE),
    "PEOPLE":     (SIGN_IN, YES,     YES,   YES,    YES,   YES,  YES,   YES,  YES,     YES),
    "NO_PROOF":  (SIGN_IN, NO,      NO,    NO,     NO,    NO,   NO,    NO,   NO,      NO),
    "NO_CODES":   (SIGN_IN, NONE,    NONE,  NONE,   NONE,  NONE, NONE,  NONE, NONE,    NONE),
    "COLLEAGUES": (SIGN_IN, NONE,    YES,   YES,    YES,   YES,  YES,   NONE, NONE,    NONE),
    "MEMBERS":    (SIGN_IN, FOUND,   YES,   YES,    YES,   YES,  YES,   YES,  YES,     YES),
    "OWN":        (SIGN_IN, FOUND,   YES,   YES,    YES,   YES,  YES,   NONE, NONE,    YES),
    "OWN_LOGS":   (SIGN_IN, FOUND,   YES,   YES,    YES,   YES,  YES,   NONE, NONE,    NO),
    "OWN_BYTES":  (SIGN_IN, FOUND,   YES,   NO,     YES,   YES,  YES,   NONE, NONE,    NONE),
    "OPERATORS":  (SIGN_IN, NO,      NO,    NO,     NO,    NO,   NO,    NO,   NO,      YES),
    "BUY":        (SIGN_IN, NO,      NO,    NO,     YES,   YES,  YES,   YES,  YES,     YES),
    "BUY_OWN":    (SIGN_IN, NO,      NO,    NO,     YES,   YES,  YES,   NONE, NONE,    NONE),
    "CANCEL_OWN": (SIGN_IN, NO,      NO,    NO,     YES,   YES,  YES,   NONE, NONE,    YES),
    "APPEAL_OWN": (SIGN_IN, NO,      NO,    YES,    NO,    YES,  YES,   NONE, NONE,    NO),
    "KEEP":       (SIGN_IN, NO,      NO,    NO,     NO,    YES,  YES,   YES,  YES,     YES),
    "KEEP_OWN":   (SIGN_IN, NO,      NO,    NO,     NO,    YES,  YES,   NONE, NONE,    YES),
    "PAY":        (SIGN_IN, NO,      NO,    YES,    NO,    NO,   YES,   YES,  YES,     YES),
    "SELVES":     (SIGN_IN, NO,      YES,   YES,    YES,   YES,  YES,   YES,  YES,     YES),
    "ADDRESSEE":  (SIGN_IN, NO,      NONE,  NONE,   NONE,  NONE, YES,   NONE, NONE,    NONE),
    "NO_LEAVING": (SIGN_IN, NO,      NONE,  NONE,   NONE,  NONE, NONE,  NONE, NONE,    NONE),
    "MANAGERS":   (SIGN_IN, FOUND,   NO,    NO,     NO,    YES,  YES,   YES,  YES,     YES),
    "OWNERS":     (SIGN_IN, NO,      NO,    NO,     NO,    NO,   YES,   NONE, NONE,    NONE),
    "OUR":        (SIGN_IN, FOUND,   YES,   YES,    YES,   YES,  YES,   NONE, NONE,    NONE),
    "OUR_HEADS":  (SIGN_IN, FOUND,   NO,    NO,     NO,    YES,  YES,   NONE, NONE,    NONE),
    "NO_FILE":    (SIGN_IN, FOUND,   NONE,  NO,     NONE,  NONE, NONE,  NONE, NONE,    NONE),
    "SHOW_PROOF": (SIGN_IN, NO,      NO,    YES,    NO,    YES,  YES,   YES,  YES,     YES),
    "PROOF_OWN":  (SIGN_IN, NO,      NO,    YES,    NO,    YES,  YES,   NONE, NONE,    NONE),
    "TOKEN_OWN":  (SIGN_IN, NO,      NONE,  NONE,   NONE,  YES,  YES,   NONE, NONE,    NONE),
    "HEADS_OWN":  (SIGN_IN, NO,      NO,    NO,     NO,    YES,  YES,   NONE, NONE,    NONE),
})
# fmt: on

_OWN = "account/oidc/<slug:provider_id>/login/"
_ALLAUTHS = "account/oidc/(?P<provider_id>[^/]+)/login/"
_SAML = "account/saml/<str:organization_slug>/"
_SAML_ALLAUTHS = "account/saml/(?P<organization_slug>[^/]+)/"
_HOOK = "organisation/webhooks/<str:webhook_id>"
ROWS: Mapping[str, str] = MappingProxyType(
    {
        "GET ": "EVERYBODY",
        "GET verify": "EVERYBODY",
        "GET verify/<str:name>": "EVERYBODY",
        "GET metrics": "EVERYBODY",  # of this machine: test_metrics_access.py
        "POST preferences": "EVERYBODY",
        "GET record": "EVERYBODY",
        "GET record/<int:index>": "EVERYBODY",
        "GET record/about/<str:subject_id>": "MEMBERS",
        # Signing in and up
        "GET account/login/": "EVERYBODY",
        "POST account/login/": "EVERYBODY",
        "GET account/login/code/confirm/": "EVERYBODY",
        "POST account/login/code/confirm/": "EVERYBODY",
        "GET account/logout/": "EVERYBODY",
        "POST account/logout/": "EVERYBODY",
        "GET account/signup/": "EVERYBODY",
        "POST account/signup/": "EVERYBODY",
        "GET account/confirm-email/": "EVERYBODY",
        "POST account/confirm-email/": "EVERYBODY",
        "GET account/inactive/": "EVERYBODY",
        "GET account/first-sign-in/": "EVERYBODY",
        "POST account/first-sign-in/": "EVERYBODY",
        "GET account/password/reset/": "EVERYBODY",
        "POST account/password/reset/": "EVERYBODY",
        "GET account/password/reset/confirm/": "EVERYBODY",
        "POST account/password/reset/confirm/": "EVERYBODY",
        "GET account/password/reset/complete/": "EVERYBODY",
        "POST account/password/reset/complete/": "EVERYBODY",
        "GET account/password/reset/done/": "EVERYBODY",
        "GET account/2fa/authenticate/": "EVERYBODY",
        "POST account/2fa/authenticate/": "EVERYBODY",
        "GET account/2fa/webauthn/login/": "EVERYBODY",
        "POST account/2fa/webauthn/login/": "EVERYBODY",
        "GET account/3rdparty/login/cancelled/": "EVERYBODY",
        "GET account/3rdparty/login/error/": "EVERYBODY",
        "GET account/3rdparty/signup/": "EVERYBODY",
        "POST account/3rdparty/signup/": "EVERYBODY",
        "GET account/social/connections/": "EVERYBODY",
        "POST account/social/connections/": "EVERYBODY",
        "GET account/social/login/cancelled/": "EVERYBODY",
        "POST account/social/login/cancelled/": "EVERYBODY",
        "GET account/social/login/error/": "EVERYBODY",
        "POST account/social/login/error/": "EVERYBODY",
        "GET account/social/signup/": "EVERYBODY",
        "POST account/social/signup/": "EVERYBODY",
        f"GET {_OWN}": "NOBODY",  # no such provider is set up
        f"POST {_OWN}": "NOBODY",
        f"GET {_ALLAUTHS}": "NOBODY",
        f"POST {_ALLAUTHS}": "NOBODY",
        f"GET {_ALLAUTHS}callback/": "NOBODY",
        f"POST {_ALLAUTHS}callback/": "NOBODY",
        f"POST {_SAML}acs/": "NOBODY",
        f"GET {_SAML}acs/finish/": "NOBODY",
        f"GET {_SAML}login/": "NOBODY",
        f"POST {_SAML}login/": "NOBODY",
        f"GET {_SAML}metadata/": "NOBODY",
        f"GET {_SAML}sls/": "NOBODY",
        f"POST {_SAML}sls/": "NOBODY",
        f"POST {_SAML_ALLAUTHS}acs/": "NOBODY",
        f"GET {_SAML_ALLAUTHS}acs/finish/": "NOBODY",
        f"GET {_SAML_ALLAUTHS}login/": "NOBODY",
        f"POST {_SAML_ALLAUTHS}login/": "NOBODY",
        f"GET {_SAML_ALLAUTHS}metadata/": "NOBODY",
        f"GET {_SAML_ALLAUTHS}sls/": "NOBODY",
        f"POST {_SAML_ALLAUTHS}sls/": "NOBODY",
        "GET account/2fa/lost/": "EVERYBODY",
        "POST account/2fa/lost/": "EVERYBODY",
        "GET account/2fa/lost/stop/<str:secret>/": "EVERYBODY",
        "POST account/2fa/lost/stop/<str:secret>/": "NOBODY",
        "GET invitation": "EVERYBODY",
        "POST account/device/code": "EVERYBODY",
        "POST account/device/token": "EVERYBODY",
        # One's own account; the visitors have neither password nor second factor
        "GET account/": "PEOPLE",
        "POST account/organisation/": "COLLEAGUES",
        "GET account/organisations/new/": "PEOPLE",
        "POST account/organisations/new/": "PEOPLE",
        "GET account/device/": "PEOPLE",
        "POST account/device/": "PEOPLE",
        "GET account/2fa/lost/stop/": "PEOPLE",
        "POST account/2fa/lost/stop/": "NO_CODES",
        "POST invitation": "NO_CODES",
        "GET account/email/": "PEOPLE",
        "POST account/email/": "PEOPLE",
        "GET account/password/change/": "PEOPLE",
        "POST account/password/change/": "PEOPLE",
        "GET account/password/set/": "PEOPLE",
        "POST account/password/set/": "PEOPLE",
        "GET account/reauthenticate/": "NO_PROOF",
        "POST account/reauthenticate/": "NO_PROOF",
        "GET account/sessions/": "PEOPLE",
        "POST account/sessions/": "PEOPLE",
        "GET account/3rdparty/": "PEOPLE",
        "POST account/3rdparty/": "PEOPLE",
        "GET account/2fa/": "PEOPLE",
        "GET account/2fa/totp/activate/": "PEOPLE",
        "POST account/2fa/totp/activate/": "PEOPLE",
        "GET account/2fa/totp/deactivate/": "NO_CODES",
        "POST account/2fa/totp/deactivate/": "NO_CODES",
        "GET account/2fa/reauthenticate/": "NO_PROOF",
        "POST account/2fa/reauthenticate/": "NO_PROOF",
        "GET account/2fa/recovery-codes/": "NO_CODES",
        "GET account/2fa/recovery-codes/download/": "NO_CODES",
        "POST account/2fa/recovery-codes/download/": "NO_CODES",
        "GET account/2fa/recovery-codes/generate/": "PEOPLE",
        "POST account/2fa/recovery-codes/generate/": "PEOPLE",
        "GET account/2fa/webauthn/": "PEOPLE",
        "GET account/2fa/webauthn/add/": "PEOPLE",
        "POST account/2fa/webauthn/add/": "PEOPLE",
        "GET account/2fa/webauthn/reauthenticate/": "NO_PROOF",
        "POST account/2fa/webauthn/reauthenticate/": "NO_PROOF",
        "GET account/2fa/webauthn/keys/<int:pk>/edit/": "NO_CODES",
        "POST account/2fa/webauthn/keys/<int:pk>/edit/": "NO_CODES",
        "GET account/2fa/webauthn/keys/<int:pk>/remove/": "NO_CODES",
        "POST account/2fa/webauthn/keys/<int:pk>/remove/": "NO_CODES",
        # An organisation's own
        "GET home": "MEMBERS",
        "GET wallet": "MEMBERS",
        "GET cases": "MEMBERS",
        "GET cases/<str:case_id>": "OWN",
        "POST cases/<str:case_id>": "APPEAL_OWN",
        "GET shelf": "MEMBERS",
        "POST quotes": "BUY",
        "GET quotes/<str:quote_id>": "OWN",
        "POST quotes/<str:quote_id>/order": "BUY_OWN",
        "GET orders": "MEMBERS",
        "GET orders/<str:order_id>": "OWN",
        "POST orders/<str:order_id>/again": "BUY_OWN",
        "GET orders/<str:order_id>/cancel": "OWN",
        "POST orders/<str:order_id>/cancel": "CANCEL_OWN",
        "GET orders/<str:order_id>/exports/<str:name>": "OWN",
        "GET runs/<str:run_id>/log": "OWN_LOGS",
        "GET runs/<str:run_id>/log/stream": "OWN_LOGS",
        "GET runs/<str:run_id>/log/tail": "OWN_LOGS",
        "GET runs/<str:run_id>/files/<int:attempt_number>/<str:sha256>": "OWN_BYTES",
        "GET runs/<str:run_id>": "OWN",
        "GET wallet/statement.csv": "MEMBERS",
        "POST cases/<str:case_id>/documents": "PROOF_OWN",
        "GET notices": "MEMBERS",
        "POST notices/read": "SELVES",
        "POST notices/<str:notice_id>/read": "ADDRESSEE",
        "GET notices/preferences": "MEMBERS",
        "POST notices/preferences": "SELVES",
        "GET organisation": "MEMBERS",
        "GET organisation/consents": "MEMBERS",
        "POST organisation/consents": "KEEP",
        "GET organisation/consents/export": "MEMBERS",
        "GET organisation/outcomes/<str:round_code>": "MEMBERS",
        "POST organisation/outcomes/<str:round_code>": "KEEP",
        "GET organisation/evidence": "MEMBERS",
        "POST organisation/evidence/new": "SHOW_PROOF",
        "GET organisation/evidence/<str:evidence_id>": "OUR",
        "GET organisation/evidence/<str:evidence_id>/file": "OUR",
        "POST organisation/evidence/<str:evidence_id>/replace": "PROOF_OWN",
        "POST organisation/evidence/<str:evidence_id>/withdraw": "PROOF_OWN",
        "GET organisation/ownership": "MEMBERS",
        "POST organisation/ownership": "KEEP",
        "POST organisation/ownership/end": "KEEP",
        "GET organisation/standings": "MEMBERS",
        "GET organisation/standings/ask": "MEMBERS",
        "POST organisation/standings/ask": "KEEP",
        "GET organisation/secrets": "MEMBERS",
        "POST organisation/secrets": "BUY",
        "POST organisation/secrets/<str:name>/remove": "BUY_OWN",
        "GET organisation/tokens": "MEMBERS",
        "POST organisation/tokens": "SELVES",
        "GET organisation/tokens/made": "MEMBERS",
        "POST organisation/tokens/<str:token_id>/revoke": "TOKEN_OWN",
        "GET organisation/volumes": "MEMBERS",
        "POST organisation/volumes": "BUY",
        "GET organisation/volumes/<str:volume_id>": "OUR",
        "POST organisation/volumes/<str:volume_id>": "BUY_OWN",
        "GET organisation/volumes/<str:volume_id>/file": "NO_FILE",  # for want of a path
        "POST organisation/volumes/<str:volume_id>/remove": "BUY_OWN",
        "GET organisation/webhooks": "MANAGERS",
        "POST organisation/webhooks": "KEEP",
        f"GET {_HOOK}": "OUR_HEADS",
        f"GET {_HOOK}/secret": "OUR_HEADS",
        f"POST {_HOOK}/deliveries/<str:delivery_id>/again": "HEADS_OWN",
        f"POST {_HOOK}/enable": "HEADS_OWN",
        f"POST {_HOOK}/remove": "HEADS_OWN",
        f"POST {_HOOK}/rotate": "HEADS_OWN",
        f"POST {_HOOK}/test": "HEADS_OWN",
        "GET people": "MEMBERS",
        "GET people/leave": "MEMBERS",
        "POST people/leave": "NO_LEAVING",  # none but the organisation that the form shows is left
        "GET people/invite": "MANAGERS",
        "POST people/invite": "KEEP",
        "GET people/<str:membership_id>": "OUR",
        "POST people/<str:membership_id>": "HEADS_OWN",
        "POST people/invitations/<str:invitation_id>/send": "HEADS_OWN",
        "POST people/invitations/<str:invitation_id>/withdraw": "HEADS_OWN",
        # A provider's
        "GET provider": "MEMBERS",
        "GET provider/pay-outs": "MEMBERS",
        "POST provider/pay-outs": "PAY",
        "GET provider/pools/new": "MEMBERS",
        "POST provider/pools/new": "KEEP",
        "GET provider/pools/<str:pool_id>": "OWN",
        "POST provider/pools/<str:pool_id>": "KEEP_OWN",
        "POST provider/pools/<str:pool_id>/draining": "KEEP_OWN",
        "POST provider/pools/<str:pool_id>/join-token": "KEEP_OWN",
        "POST provider/pools/<str:pool_id>/maintenance/cancel": "KEEP_OWN",
        # Operators'
        "GET desk": "OPERATORS",
        "GET desk/cases": "OPERATORS",
        "GET desk/cases/<str:case_id>": "OPERATORS",
        "POST desk/cases/<str:case_id>": "OPERATORS",
        "GET desk/dead-letters": "OPERATORS",
        "POST desk/dead-letters/<str:delivery_id>/retry": "OPERATORS",
        "GET desk/ledger": "OPERATORS",
        "GET desk/ledger/accounts/<str:account_id>": "OPERATORS",
        "GET desk/ledger/pay-outs": "OPERATORS",
        "POST desk/ledger/pay-outs": "OPERATORS",
        "GET desk/ledger/transfers/<str:transfer_id>": "OPERATORS",
        "POST desk/ledger/verification": "OPERATORS",
        "GET desk/organisations": "OPERATORS",
        "GET desk/organisations/<str:organisation_id>": "OPERATORS",
        "POST desk/organisations/<str:organisation_id>": "OPERATORS",
        "GET desk/pools": "OPERATORS",
        "GET desk/cases/<str:case_id>/documents/<str:evidence_id>": "OPERATORS",
        "POST desk/cases/<str:case_id>/documents/<str:evidence_id>/verify": "OPERATORS",
        "GET desk/organisations/<str:organisation_id>/ownership": "OPERATORS",
        "GET desk/organisations/<str:organisation_id>/standings": "OPERATORS",
        "POST desk/organisations/<str:organisation_id>/standings": "OPERATORS",
        "GET desk/organisations/<str:organisation_id>/standings/<str:standing_id>/end": "OPERATORS",
        "POST desk/organisations/<str:organisation_id>/standings/<str:standing_id>/end": "OPERATORS",
        "POST desk/outcomes": "OPERATORS",
        "GET desk/second-factors": "OPERATORS",
        "GET desk/second-factors/<str:loss_id>": "OPERATORS",
        "POST desk/second-factors/<str:loss_id>": "OPERATORS",
    }
)


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
    }


def make_loss(own: Belongings) -> str:
    """Let somebody ask for the removal of a lost second factor, with the address proven."""
    person_id, now = join(own.owner, Role.VIEWER).person_id, utc_now()
    ask_for_removal(person_id=person_id, now=now)
    code = read_code(Person.objects.get(id=person_id).email)
    prove_mail(person_id=person_id, code=code, said="Ask the owner.", now=now)
    return FactorLoss.objects.get(person=person_id).id


def make_forms(crowd: Crowd) -> dict[str, dict[str, object]]:
    """Return a right form for every page that does nothing with an empty one."""
    today = str(utc_now().date())
    document: dict[str, object] = {
        "kind": "registration",
        "title": "Register",
        "issued_on": today,
        "document": _make_pdf(),
    }
    job = b"name: first-job\ncommand: python3 train.py\nwalltime: 10m\n"
    return {
        "POST account/organisation/": {"organisation_id": crowd.own.owner.organisation_id},
        "POST account/organisations/new/": {"kind": "maker", "name": "Maker"},
        "POST cases/<str:case_id>": {"reason": "Look again."},
        "POST cases/<str:case_id>/documents": {"evidence_id": crowd.values["documents"]},
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
        "POST organisation/secrets": {"name": "KEY", "value": "hush"},
        "POST organisation/tokens": {"key": uuid4().hex, "name": "laptop", "scopes": "read", "days": "30"},
        "POST organisation/volumes": {"name": "corpus", "max_gib": "1"},
        "POST organisation/volumes/<str:volume_id>": {"file": SimpleUploadedFile("a.txt", b"a")},
        f"POST {_HOOK}/rotate": {"key": uuid4().hex},
        "POST people/<str:membership_id>": {"action": "remove"},
        "POST quotes": {"key": uuid4().hex, "job": SimpleUploadedFile("job.yaml", job)},
        "POST provider/pay-outs": {"amount": "0.000001", "beneficiary": "DE00"},
        "POST provider/pools/new": {"name": "another-hall", "engine": "local"},
        "POST provider/pools/<str:pool_id>": {"starts_at": "2099-01-01T00:00", "ends_at": "2099-01-01T01:00"},
        "POST desk/cases/<str:case_id>": {"decision": "approve", "reason": "Seen."},
        "POST desk/organisations/<str:organisation_id>": {"action": "suspend", "reason": "Unpaid."},
        "POST desk/ledger/pay-outs": {"pay_out_id": crowd.values["pay-outs"], "bank_reference": "1"},
    }


def _make_pdf() -> SimpleUploadedFile:
    return SimpleUploadedFile("register.pdf", b"%PDF-1.7 of the register")
