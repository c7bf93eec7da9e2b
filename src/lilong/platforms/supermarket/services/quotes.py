"""Quote: a draft is written first, the environment is resolved outside of any transaction, then the quote is signed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import FieldProblem, LilongError, dump_problem
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import Sentence, dump_sentence, join_sentences, say
from lilong.common.time import format_moment
from lilong.foundation.ledger.public import ShortOfFunds, require_posted
from lilong.foundation.members.public import OrganisationState, find_order_refusal, get_organisations
from lilong.foundation.outbox.public import KeyReused
from lilong.foundation.record.public import append, sign
from lilong.foundation.runs.public import resolve_environment
from lilong.platforms.funding.public.orders import RESERVE, list_usable, lock_vouchers, reserve_uses, settle_uses
from lilong.platforms.supermarket.core.checks import (
    FundsShort,
    LiveQuotesReached,
    NotAdmitted,
    StandingLacking,
    gather_refusals,
)
from lilong.platforms.supermarket.core.policy import APPROVAL_WINDOW, DRAFT_LIFE, LIVE_QUOTES_MAX
from lilong.platforms.supermarket.core.postings import plan_pend, plan_void
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.routes import measure_card_ms
from lilong.platforms.supermarket.core.states import OrderState, OrderStep
from lilong.platforms.supermarket.models import LAPSING_STATES, LIVE_SLOTS, Order, Project, Quote, Review
from lilong.platforms.supermarket.queries.budgets import find_project, list_rooms
from lilong.platforms.supermarket.queries.candidates import Candidates, find_candidates, trace_origins
from lilong.platforms.supermarket.queries.quotes import QuoteView, get_quote, render_quote
from lilong.platforms.supermarket.queries.routes import find_verdict
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.platforms.supermarket.services.books import (
    advance,
    list_reserves,
    name_voucher_parts,
    note_step,
    post_group,
    tell_order,
)
from lilong.platforms.supermarket.services.budgets import keep_decisions
from lilong.platforms.supermarket.services.checks import check_promise, require_belongings
from lilong.platforms.supermarket.services.promises import build_promise, expect_time, rank_candidates
from lilong.platforms.supermarket.services.routes import keep_route
from lilong.protocol.messages import EnvironmentLock
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_rules import find_spec_problems
from lilong.protocol.spec_yaml import SpecInvalid

BUYERS = frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.OPERATOR})
RESERVE_TRIES = 5


def quote(
    *,
    actor: Actor,
    spec: RunSpec,
    max_cost_uc: int | None,
    request_name: str | None,
    project_id: str = "",
    offer_id: str | None = None,
    now: datetime,
) -> QuoteView:
    """Return a signed quote for `spec`, with voucher value reserved until it expires; nothing else is held.

    max_cost_uc: the most that the hold may be, vouchers included; offers that can cost more are left out.
    project_id: of an open project of the organisation that it is ordered for, or empty.
    request_name: what repetitions of the same request have in common; they get the same quote, or finish the draft
    of one that was killed. A refusal frees the name. offer_id: of the one offer that may run it; None: any may.
    Raises what refuses it (each says what would make it pass) and keeps the refused draft with its reason. Missing
    funds do not refuse a quote: it says what is missing.
    """
    require(may(actor, roles=BUYERS, scope=Scope.RUN))
    problems = find_spec_problems(spec)
    if problems:
        raise SpecInvalid(fields=problems)
    require_belongings(organisation_id=actor.organisation_id, spec=spec)
    project = find_project(organisation_id=actor.organisation_id, project_id=project_id)
    order = _find_repeated(request_name, spec, project, max_cost_uc=max_cost_uc, now=now) or _open_draft(
        actor, spec, project, max_cost_uc=max_cost_uc, request_name=request_name, now=now
    )
    if order.state != OrderState.DRAFT:
        return get_quote(actor=actor, quote_id=order.quote.id)
    try:
        candidates = find_candidates(spec=spec, offer_id=offer_id, now=now)
        locks = resolve_environment(spec=spec, pool_ids=sorted({terms.pool_id for terms in candidates.terms}), now=now)
        quote_id = _sign_with_retries(order.id, candidates, locks=locks, now=now)
    except LilongError as refusal:
        _refuse_draft(order.id, refusal, now=now)
        raise
    return get_quote(actor=actor, quote_id=quote_id)


def lapse_order(*, order_id: str, now: datetime) -> bool:
    """End a draft, quote or approval that has expired, releasing what it reserves; return whether it did. Idempotent.

    An order that waits for somebody goes on waiting without its quote. While operators review its size it does not
    expire: their silence is told to all of them, and refuses nobody.
    """
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        if order.state not in LAPSING_STATES or order.expires_at > now:
            return False
        was_awaiting = order.state == OrderState.AWAITING
        if was_awaiting and order.live_slot is not None:
            released_uc = release_quote(order=order, now=now)
            order.expires_at = order.expires_at + APPROVAL_WINDOW
            order.save()
            note_step(order=order, step="lapse_quote", now=now, money="released", amount_uc=released_uc)
            return True
        if was_awaiting and Review.objects.filter(order=order, decision="").exists():
            return False
        end_live_quote(order=order, step=OrderStep.LAPSE, now=now)
        if was_awaiting:
            tell_order(order=order, kind="approval_lapsed", now=now)
    return True


def end_live_quote(*, order: Order, step: OrderStep, detail: str = "", now: datetime) -> None:
    """Free the slot and the reservations of a locked draft, quote or request that ends by `step`."""
    if order.state == OrderState.DRAFT:
        order.request_name = None
    released_uc = release_quote(order=order, now=now)
    advance(order=order, step=step, now=now, money="released", amount_uc=released_uc, detail=detail)


def is_quote_live(*, order: Order, now: datetime) -> bool:
    """Say whether a quote still stands, with what it reserved: until then `expires_at` is the quote's own."""
    return order.live_slot is not None and order.expires_at > now


def release_quote(*, order: Order, now: datetime) -> int:
    """Free the slot of a locked draft or quote and what it reserves, once; return how much. The caller saves it."""
    if order.live_slot is None:
        return 0
    order.live_slot = None
    if order.state == OrderState.DRAFT:
        return 0
    promise = read_promise(content=order.quote.document.encode())
    reserves = list_reserves(promise=promise)
    postings = plan_void(holds=reserves, escrow=promise.escrow_account, code="unreserve")
    require_posted(results=post_group(group_id=f"{order.id}.void", postings=postings, order_id=order.id, now=now))
    settle_uses(order_id=order.id, parts_uc={}, now=now)
    return sum(reserve.held_uc for reserve in reserves)


def _find_repeated(
    name: str | None, spec: RunSpec, project: Project | None, *, max_cost_uc: int | None, now: datetime
) -> Order | None:
    """Return what an earlier request of this name left, a draft that may still be finished included."""
    order = Order.objects.select_related("quote").filter(request_name=name).first() if name else None
    if order is None:
        return None
    wanted = (spec.digest, max_cost_uc, project.id if project else None)
    if (order.spec_sha256, order.max_cost_uc, order.project_id) != wanted:
        raise KeyReused
    if order.state == OrderState.DRAFT and lapse_order(order_id=order.id, now=now):
        return None
    return order


def _open_draft(
    actor: Actor,
    spec: RunSpec,
    project: Project | None,
    *,
    max_cost_uc: int | None,
    request_name: str | None,
    now: datetime,
) -> Order:
    """Write the draft into a free slot of the person; raises NotAdmitted, StandingLacking or LiveQuotesReached."""
    organisation = get_organisations(organisation_ids=[actor.organisation_id])[actor.organisation_id]
    if organisation.state is not OrganisationState.ADMITTED:
        raise NotAdmitted
    refusal = find_order_refusal(organisation=organisation, now=now)
    if refusal:
        raise StandingLacking(detail=refusal)
    mine = Order.objects.live_quotes().filter(organisation_id=actor.organisation_id, person_id=actor.person_id)
    for order_id in mine.filter(expires_at__lte=now).values_list("id", flat=True):
        lapse_order(order_id=order_id, now=now)
    for _ in LIVE_SLOTS:
        taken = set(mine.values_list("live_slot", flat=True))
        free = [slot for slot in LIVE_SLOTS if slot not in taken]
        if not free:
            break
        order = Order(
            id=new_id("ord"),
            organisation_id=actor.organisation_id,
            person_id=actor.person_id,
            project=project,
            name=spec.name,
            state=OrderState.DRAFT,
            live_slot=free[0],
            spec=spec.model_dump(mode="json"),
            spec_sha256=spec.digest,
            max_cost_uc=max_cost_uc,
            request_name=request_name,
            created_at=now,
            expires_at=now + DRAFT_LIFE,
        )
        try:
            with transaction.atomic():
                order.save(force_insert=True)
            return order
        except IntegrityError:
            repeated = _find_repeated(request_name, spec, project, max_cost_uc=max_cost_uc, now=now)
            if repeated:
                return repeated
            # another request of the same person took the slot: look for the next one
    ends_at = mine.order_by("expires_at").values_list("expires_at", flat=True).first()
    facts: dict[str, str | int] = {"limit": LIVE_QUOTES_MAX, "used": LIVE_QUOTES_MAX}
    raise LiveQuotesReached(facts=facts | ({"resets_at": format_moment(ends_at)} if ends_at else {}))


def _refuse_draft(order_id: str, refusal: LilongError, *, now: datetime) -> None:
    """Keep the draft as refused, with the reason: refusals are decisions, too. Its request may be sent again."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=order_id)
        if order.state != OrderState.DRAFT:
            return  # a repetition of the request has ended it meanwhile
        order.live_slot = order.request_name = None
        order.refusal = {
            "code": refusal.code,
            "detail": refusal.detail,
            "said": dump_sentence(refusal.detail),
            "fields": [dump_problem(field) for field in refusal.fields],
        }
        why = say("{code}: {why}", code=refusal.code, why=refusal.detail or Sentence(refusal.title))
        advance(order=order, step=OrderStep.REFUSE, now=now, detail=why)


def _sign_with_retries(
    order_id: str, candidates: Candidates, *, locks: Mapping[str, EnvironmentLock], now: datetime
) -> str:
    """Sign the quote; when another one reserved the same voucher value meanwhile, look at what is left, and again."""
    for tries in range(1, RESERVE_TRIES + 1):
        try:
            with transaction.atomic():
                signed = _sign(order_id, candidates, locks=locks, now=now)
        except ShortOfFunds:
            if tries == RESERVE_TRIES:
                raise
        else:
            if isinstance(signed, str):
                return signed
            raise signed
    raise AssertionError("unreachable")


def _sign(
    order_id: str, candidates: Candidates, *, locks: Mapping[str, EnvironmentLock], now: datetime
) -> str | LilongError:
    """Price, reserve, sign, record and store; return the quote's id. A repetition may have done it meanwhile.

    Returns what refuses the quote; then nothing is written but what budgets said.
    """
    order = Order.objects.select_for_update().get(id=order_id)
    if order.state == OrderState.QUOTED:
        return order.quote.id
    spec = RunSpec.model_validate(order.spec)
    lock_vouchers(organisation_id=order.organisation_id)
    vouchers = list_usable(
        organisation_id=order.organisation_id, offers=trace_origins(offers=candidates.terms), now=now
    )
    expected = expect_time(order=order, max_ms=spec.walltime_s * 1000)
    ranking = rank_candidates(
        candidates=candidates, spec=spec, max_cost_uc=order.max_cost_uc, vouchers=vouchers, expected=expected
    )
    promise = build_promise(
        order=order,
        spec=spec,
        ranking=ranking,
        vouchers=vouchers,
        starts=candidates.starts,
        locks=locks,
        expected=expected,
        now=now,
    )
    rooms = list_rooms(order=order, now=now)
    order.card_ms = measure_card_ms(terms=promise.offers, max_ms=promise.max_ms)
    route = find_verdict(order=order, max_uc=promise.max_uc, now=now)
    refusals = check_promise(order=order, spec=spec, promise=promise, rooms=rooms, route=route, reserves=(), now=now)
    keep_route(order=order, route=route, step=OrderStep.SIGN_QUOTE, now=now)
    keep_decisions(order=order, rooms=rooms, step=OrderStep.SIGN_QUOTE, asked_uc=promise.max_uc, now=now)
    fatal = [refusal for refusal in refusals if not isinstance(refusal, FundsShort)]
    if fatal:
        return gather_refusals(refusals=fatal)
    notes = [
        *candidates.left_out,
        *candidates.delays,
        *ranking.left_out,
        *(problem for _, problem in vouchers.refused),
        *(note for note in vouchers.limited if note.path.removeprefix("offers.") in promise.terms),
        *_note_funds(refusals),
    ]
    return _store(order, promise, locks=locks, notes=notes, now=now)


def _store(
    order: Order,
    promise: Promise,
    *,
    locks: Mapping[str, EnvironmentLock],
    notes: Sequence[FieldProblem],
    now: datetime,
) -> str:
    """Reserve what vouchers may have to pay, sign the promise, record and store it; return its id."""
    reserves = list_reserves(promise=promise)
    postings = plan_pend(holds=reserves, escrow=promise.escrow_account, code=RESERVE)
    require_posted(results=post_group(group_id=f"{order.id}.reserve", postings=postings, order_id=order.id, now=now))
    parts_uc = name_voucher_parts(promise=promise, split=split_hold(promise=promise))
    reserve_uses(order_id=order.id, parts_uc=parts_uc)
    signature = sign(content=promise.content)
    stored = Quote.objects.create(
        id=promise.quote_id,
        order=order,
        document=promise.content.decode(),
        key_id=signature.key_id,
        signature=signature.hex,
        locks={pool_id: lock.model_dump(mode="json") for pool_id, lock in locks.items()},
        notes=[dump_problem(note) for note in notes],
    )
    append(
        kind="supermarket.quote",
        subject_id=order.id,
        payload={
            "expires_at": format_moment(promise.expires_at),
            "max_uc": promise.max_uc,
            "order_id": order.id,
            "quote_id": stored.id,
            "quote_sha256": sha256_hex(render_quote(quote=stored)),
            "quoted_uc": promise.quoted_uc,
        },
        organisation_id=order.organisation_id,
        now=now,
    )
    order.max_uc, order.expires_at = promise.max_uc, promise.expires_at
    advance(order=order, step=OrderStep.SIGN_QUOTE, now=now, money="reserved", amount_uc=promise.voucher_max_uc)
    return stored.id


def _note_funds(refusals: Sequence[LilongError]) -> list[FieldProblem]:
    """Return missing funds as notes: they refuse no quote."""
    return [
        FieldProblem(path="funds", code=each.code, message=join_sentences(each.detail, each.next_step))
        for each in refusals
    ]
