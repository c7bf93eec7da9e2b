"""Who reacts to what, and what is looked for again and again: the one list of subscribers and reconcilers.

An event only wakes up. Each reconciler finds the same work from its tables, so that nothing hangs on a delivery.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from lilong.foundation.cases import reactions as cases
from lilong.foundation.cases.events import CaseDecided
from lilong.foundation.ledger import reactions as ledger
from lilong.foundation.members import reactions as members
from lilong.foundation.members.events import InvitationMade, OrganisationAdmitted, OrganisationApplied, PersonErased
from lilong.foundation.notices import reactions as notices
from lilong.foundation.objects import reactions as objects
from lilong.foundation.outbox.public import Subscriber
from lilong.foundation.record import reactions as record
from lilong.foundation.runs import reactions as runs
from lilong.foundation.runs.events import RunFinished, RunStarted
from lilong.platforms.audit import reactions as audit
from lilong.platforms.funding import reactions as funding
from lilong.platforms.supermarket import reactions as supermarket


class Reconciler(Protocol):
    """Finds what is left to do in its room's tables, and does it. Safe to call at any time and by two at once."""

    def __call__(self, *, now: datetime) -> object:
        """Do what is due at `now`."""


SUBSCRIBERS: Mapping[str, Sequence[Subscriber]] = {
    OrganisationApplied.name: (cases.on_organisation_applied,),
    OrganisationAdmitted.name: (funding.on_organisation_admitted,),
    InvitationMade.name: (notices.on_invitation_made,),
    PersonErased.name: (notices.on_person_erased,),
    CaseDecided.name: (
        cases.on_case_decided,
        ledger.on_case_decided,
        funding.on_case_decided,
        supermarket.on_case_decided,
    ),
    RunStarted.name: (supermarket.on_run_changed,),
    RunFinished.name: (supermarket.on_run_changed,),
}

RECONCILERS: Sequence[tuple[str, float, Reconciler]] = (
    ("record", 1.0, record.reconcile),
    ("objects", 60.0, objects.reconcile),
    ("members", 1.0, members.reconcile),
    ("members-prune", 3600.0, members.prune),
    ("cases", 5.0, cases.reconcile),
    ("ledger", 5.0, ledger.reconcile),
    ("runs", 1.0, runs.reconcile),
    ("funding", 10.0, funding.reconcile),
    ("supermarket", 5.0, supermarket.reconcile),
    ("supermarket-turnover", 60.0, supermarket.add_up),
    ("supermarket-starts", 60.0, supermarket.look_ahead),
    ("supermarket-reputation", 300.0, supermarket.judge),
    ("supermarket-balances", 10.0, supermarket.watch_balances),
    ("supermarket-measuring", 5.0, supermarket.check),
    ("supermarket-draw", supermarket.DRAW_EVERY_S, supermarket.draw),
    ("runs-tell", 60.0, runs.tell),
    ("funding-tell", 3600.0, funding.tell),
    ("notices", 1.0, notices.tell_notices),
    ("notices-mail", 10.0, notices.write_mails),
    ("notices-prune", 3600.0, notices.prune),
)
"""Name, period in seconds, function."""

COURIERS: Sequence[tuple[str, float, Reconciler]] = (
    ("mail", 1.0, notices.send_mails),
    ("webhooks", 0.5, notices.deliver_webhooks),
    ("audit-packs", 5.0, audit.make_packs),
)
"""What may take long, since others are slow or there is much to write: in a thread of its own each, claiming its work
row by row.
"""
