"""An organisation with documents, owners and standings, some of them asked for, and the people who look at them."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction

from lilong.common.money import UC_PER_CREDIT
from lilong.common.permissions import Actor, Role
from lilong.foundation.cases.services.standings import ask_for_standing
from lilong.foundation.members.core.standings import StandingKind
from lilong.foundation.members.models import OrganisationStanding
from lilong.foundation.members.queries.evidence import EvidenceView
from lilong.foundation.members.services.consents import set_consents
from lilong.foundation.members.services.evidence import give_evidence, withdraw_evidence
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.foundation.members.services.standings import grant_standing
from lilong.foundation.record.public import seal
from lilong.platforms.funding.core.packs import read_pack
from lilong.platforms.funding.core.rules import Purpose
from lilong.platforms.funding.public import create_programme, issue_voucher
from lilong.platforms.funding.queries.entitlement import load_examples
from lilong.platforms.funding.services.declarations import declare_facts
from lilong.platforms.funding.services.vouchers import VoucherRefused
from tests.bytes import fresh_document, upload
from tests.desks import browse_as
from tests.people import found_operator, found_owner, join

EXAMPLES = ("hangzhou-like", "korea-like", "shanghai-like-model")


class Office:
    """A resident that asks to be a sponsor, shows three documents, and is owned in part by another organisation."""

    def __init__(self, *, now: datetime) -> None:
        self.now, self.today = now, now.date()
        self.operator, self.owner, self.stranger = found_operator(now=now), found_owner(now=now), found_owner(now=now)
        self.viewer = join(self.owner, Role.VIEWER, now=now)
        self.registration = self.give("registration", "Registration certificate 2019", age_days=2000)
        self.statement = self.give("financial_statement", "Accounts of last year", age_days=90)
        self.lease = self.give("lease", "Lease of hall 4", age_days=300, good_days=20)
        self.withdrawn = self.give("other", "A letter", age_days=5)
        withdraw_evidence(actor=self.owner, evidence_id=self.withdrawn.id, now=now)
        self.declare(self.owner, starts_on_days=-400, outside_ppm=900_000)
        self.declare(self.owner, starts_on_days=-30, outside_ppm=312_500)
        self.grant(StandingKind.VIRTUAL, days=90)
        for days, uses in ((200, ["outcome_questions", "usage_statistics"]), (100, ["outcome_questions"])):
            set_consents(actor=self.owner, version="1", uses=uses, now=now - timedelta(days=days))
        begun = self.today - timedelta(days=200)
        with transaction.atomic():
            own = OrganisationStanding.objects.filter(organisation_id=self.owner.organisation_id, kind="resident")
            own.update(starts_on=begun)
        self.case_id = ask_for_standing(
            actor=self.owner, kind=StandingKind.SPONSOR, reason="We fund a programme for students.", now=now
        )
        self.publish_programmes()
        with transaction.atomic():
            seal(now=now)

    def publish_programmes(self) -> None:
        """Publish three programmes: one pays, one would pay a smaller organisation, one is for what nobody sells."""
        rules = {name: read_pack(text=load_examples()[name]).rule for name in EXAMPLES}
        ids = {
            name: create_programme(actor=self.operator, name=name, rule=rule, now=self.now)
            for name, rule in rules.items()
        }
        declare_facts(
            actor=self.owner,
            country="CN",
            founded_on=self.today - timedelta(days=900),
            head_count=320,
            purposes=[Purpose.RESEARCH],
            now=self.now,
        )
        with suppress(VoucherRefused):
            issue_voucher(
                actor=self.operator,
                programme_id=ids["korea-like"],
                organisation_id=self.owner.organisation_id,
                amount_uc=5 * UC_PER_CREDIT,
                now=self.now,
            )

    def give(self, kind: str, title: str, *, age_days: int, good_days: int | None = None) -> EvidenceView:
        """Put a document into the owner's wallet."""
        content = fresh_document(2000)
        return give_evidence(
            actor=self.owner,
            kind=kind,
            title=title,
            sha256=upload(content, organisation_id=self.owner.organisation_id, now=self.now),
            issued_on=self.today - timedelta(days=age_days),
            expires_on=self.today + timedelta(days=good_days) if good_days else None,
            now=self.now,
        )

    def declare(self, owner: Actor, *, starts_on_days: int, outside_ppm: int) -> None:
        """Declare somebody outside and the stranger's organisation as owners."""
        owners = [
            DeclaredOwner(share_ppm=outside_ppm, name="Family foundation", registration_number="HRB 1234"),
            DeclaredOwner(share_ppm=100_000, organisation_id=self.stranger.organisation_id),
        ]
        declare_ownership(
            actor=owner, owners=owners, starts_on=self.today + timedelta(days=starts_on_days), now=self.now
        )

    def grant(self, kind: StandingKind, *, days: int | None) -> None:
        """Grant the owner's organisation a standing from today on."""
        grant_standing(
            actor=self.operator,
            organisation_id=self.owner.organisation_id,
            kind=kind,
            starts_on=self.today,
            ends_on=None if days is None else self.today + timedelta(days=days),
            reason="They run a branch elsewhere.",
            now=self.now,
        )

    def sign_in_all(self) -> dict[str, str]:
        """Return a session for each person: the value of its cookie."""
        people = {"operator": self.operator, "owner": self.owner, "viewer": self.viewer}
        return {name: browse_as(actor).session_key for name, actor in people.items()}

    def list_paths(self) -> dict[str, dict[str, str]]:
        """Return the pages of each person, by name."""
        desk = f"/desk/organisations/{self.owner.organisation_id}"
        standing = OrganisationStanding.objects.get(organisation_id=self.owner.organisation_id, kind="virtual")
        return {
            "owner": {
                "evidence": "/organisation/evidence",
                "document": f"/organisation/evidence/{self.lease.id}",
                "withdrawn document": f"/organisation/evidence/{self.withdrawn.id}",
                "ownership": "/organisation/ownership",
                "standings": "/organisation/standings",
                "apply": "/organisation/standings/ask?kind=sponsor",
                "apply without documents": "/organisation/standings/ask?kind=provider",
                "programmes": "/organisation/programmes",
                "consents": "/organisation/consents",
                "questions": "/organisation/outcomes/half_year",
                "own case": f"/cases/{self.case_id}",
            },
            "viewer": {
                "evidence of a viewer": "/organisation/evidence",
                "ownership of a viewer": "/organisation/ownership",
                "programmes of a viewer": "/organisation/programmes",
            },
            "operator": {
                "desk case": f"/desk/cases/{self.case_id}",
                "desk standings": f"{desk}/standings",
                "end of a standing": f"{desk}/standings/{standing.id}/end",
                "desk ownership": f"{desk}/ownership",
                "related": f"{desk}/ownership?other={self.stranger.organisation_id}",
            },
        }
