"""Add claims and withdraw them. Nothing is changed or deleted; the record keeps who did it and why."""

from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import Conflict, FieldProblem, LimitReached
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.record.public import append
from lilong.platforms.stack.core.checks import ClaimInvalid, Draft, check_draft
from lilong.platforms.stack.core.claims import Claim, Tier
from lilong.platforms.stack.models import REASON_MAX, AddedClaim, Withdrawal
from lilong.platforms.stack.queries import get_accelerator, get_claim, get_dossier, view_claim

OPERATORS = frozenset({Role.OPERATOR})
CLAIMS_MAX = 1000


class ClaimDoubled(Conflict):
    """The same is claimed already, by the same source."""

    code = "claim.doubled"
    title = "This is claimed already"
    next_step = "Look at the claim that is named here; withdraw it first if it is to be replaced."


class ClaimEnded(Conflict):
    """The claim holds no more."""

    code = "claim.ended"
    title = "This claim has ended already"
    next_step = "Read why; add another claim if you know better."


class ClaimsFull(LimitReached):
    """As much is claimed of one accelerator at this hub as can be shown."""

    code = "claim.limit"
    title = "No more claims can be added for this accelerator"
    next_step = "Summarise measurements of one kind in one claim, with their spread as its note."


def add_claim(*, actor: Actor, name: str, draft: Draft, now: datetime) -> str:
    """Add a claim about an accelerator, by any of its names, and return its id. For operators.

    Raises AcceleratorMissing, ClaimInvalid, ClaimDoubled, ClaimsFull.
    """
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    row = _build_row(name=name, draft=draft, now=now)
    row.added_by = actor.person_id
    with transaction.atomic():
        _require_room(row)
        _require_news(row, actor=actor)
        row.save(force_insert=True)
        _record_claim(row, now=now)
    return row.id


def hand_in_measurement(*, name: str, draft: Draft, run_id: str, now: datetime) -> str:
    """Add what a run of this hub measured and return the claim's id: for later rooms, in their transaction or alone.

    A run measures a property under the same conditions once: handed in again, it is the claim of the first time.
    Raises AcceleratorMissing, ClaimInvalid, ClaimsFull.
    """
    if draft.tier is not Tier.MEASURED or not run_id:
        problem = FieldProblem("tier", "claim.not_measured", say("What is handed in was measured by a run."))
        raise ClaimInvalid(fields=[problem])
    row = _build_row(name=name, draft=draft, now=now)
    row.run_id = run_id
    same = {"run_id": run_id, "accelerator": row.accelerator, "property": row.property, "conditions": row.conditions}
    with transaction.atomic():
        known = AddedClaim.objects.filter(**same).first()
        if known is not None:
            return known.id
        _require_room(row)
        fields = {field.attname: getattr(row, field.attname) for field in AddedClaim._meta.concrete_fields}
        kept, is_new = AddedClaim.objects.get_or_create(**same, defaults=fields)
        if is_new:
            _record_claim(row, now=now)
    return kept.id


def withdraw_claim(*, actor: Actor, claim_id: str, reason: str, now: datetime) -> Claim:
    """Withdraw a claim for good, one that ships with Lilong, too, and return it. For operators.

    Raises ClaimMissing, ClaimEnded, ClaimInvalid without a reason.
    """
    require(may(actor, roles=OPERATORS, scope=Scope.OPERATE))
    if not reason.strip() or len(reason) > REASON_MAX:
        problem = FieldProblem("reason", "claim.reason", say("Say why, in at most {most} characters.", most=REASON_MAX))
        raise ClaimInvalid(fields=[problem])
    with transaction.atomic():
        view = get_claim(actor=actor, claim_id=claim_id)
        if view.end is not None:
            raise ClaimEnded(detail=view.end.reason)
        end = {
            "accelerator": view.claim.accelerator,
            "reason": reason.strip(),
            "withdrawn_by": actor.person_id,
            "withdrawn_at": now,
        }
        kept, is_new = Withdrawal.objects.get_or_create(claim_id=claim_id, defaults=end)
        if not is_new:
            raise ClaimEnded(detail=kept.reason)
        payload = {"accelerator": kept.accelerator, "reason": kept.reason, "by": kept.withdrawn_by}
        append(kind="stack.claim_withdrawn", subject_id=claim_id, payload=payload, now=now)
    return view.claim


def _build_row(*, name: str, draft: Draft, now: datetime) -> AddedClaim:
    source = draft.source
    return AddedClaim(
        id=new_id("clm"),
        accelerator=get_accelerator(name=name).id,
        property=draft.property,
        value=check_draft(draft=draft, today=now.date()),
        conditions=draft.conditions.strip(),
        tier=draft.tier,
        confidence=draft.confidence,
        source_title=source.title.strip(),
        source_url=source.url,
        source_commit=source.commit,
        source_dated_on=source.dated_on,
        note=draft.note.strip(),
        added_at=now,
    )


def _require_room(row: AddedClaim) -> None:
    used = AddedClaim.objects.filter(accelerator=row.accelerator).count()
    if used >= CLAIMS_MAX:
        raise ClaimsFull(facts={"limit": CLAIMS_MAX, "used": used})


def _require_news(row: AddedClaim, *, actor: Actor) -> None:
    """Raise ClaimDoubled where the same source is known to say the same."""
    wanted = view_claim(row=row)
    finding = get_dossier(actor=actor, name=row.accelerator).find(row.property)
    for claim in finding.claims if finding else ():
        is_same = (claim.value, claim.conditions, claim.tier) == (wanted.value, wanted.conditions, wanted.tier)
        if is_same and wanted.sources[0] in claim.sources:
            raise ClaimDoubled(detail=say("It is {claim_id}.", claim_id=claim.id), facts={"claim_id": claim.id})


def _record_claim(row: AddedClaim, *, now: datetime) -> None:
    payload: dict[str, Json] = {
        "accelerator": row.accelerator,
        "property": row.property,
        "value": row.value,
        "conditions": row.conditions,
        "tier": row.tier,
        "confidence": row.confidence,
        "source": {
            "title": row.source_title,
            "url": row.source_url,
            "commit": row.source_commit,
            "dated_on": str(row.source_dated_on) if row.source_dated_on else None,
        },
        "note": row.note,
        "run_id": row.run_id,
        "by": row.added_by,
    }
    append(kind="stack.claim_added", subject_id=row.id, payload=payload, now=now)
