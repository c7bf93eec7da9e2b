"""Tables of the shelf and of orders. What a quote promised is one signed text; the columns beside it serve searches."""

from datetime import datetime

from django.db import models
from django.db.models import F, OuterRef, Q, Subquery

from lilong.common.money import PPM
from lilong.common.permissions import Actor
from lilong.platforms.supermarket.core.policy import LIVE_QUOTES_MAX, ORDER_MAX_UC, PRICE_MAX_UC
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.core.states import OrderState

LIVE_SLOTS = tuple(range(LIVE_QUOTES_MAX))
RUNNING_STATES = (OrderState.HELD, OrderState.PLACED, OrderState.ACTIVE, OrderState.SETTLING)
QUOTE_STATES = (OrderState.DRAFT, OrderState.QUOTED, OrderState.AWAITING)
LAPSING_STATES = (*QUOTE_STATES, OrderState.APPROVED)
UNSETTLED_STATES = (*RUNNING_STATES, OrderState.DISPUTED)


class OfferQuerySet(models.QuerySet["Offer"]):
    """Filters of offers."""

    def on_shelf(self) -> "OfferQuerySet":
        """Keep what is not withdrawn."""
        return self.filter(withdrawn_at=None)


class PriceRowQuerySet(models.QuerySet["PriceRow"]):
    """Filters of price rows."""

    def in_force(self, *, now: datetime) -> "PriceRowQuerySet":
        """Keep one row an offer: a time-bounded one before others, the first to end; then the latest to begin."""
        current = PriceRow.objects.filter(Q(valid_until=None) | Q(valid_until__gt=now), valid_from__lte=now)
        ranked = current.filter(offer=OuterRef("offer")).order_by(
            F("valid_until").asc(nulls_last=True), "-valid_from", "-id"
        )
        return self.filter(id=Subquery(ranked.values("id")[:1]))


class Provider(models.Model):
    """An organisation that sells. fee_ppm: the hub's part of what is due to it."""

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64, unique=True)
    fee_ppm = models.PositiveIntegerField()
    accruing_account_id = models.CharField(max_length=64, unique=True)
    available_account_id = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(fee_ppm__lte=PPM), name="supermarket_provider_fee")]


class ServiceLevel(models.Model):
    """What a provider pays for lost time, as a part of its value; never changed, an offer may name another."""

    id = models.CharField(max_length=64, primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="service_levels")
    name = models.CharField(max_length=120)
    credit_ppm = models.PositiveIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(credit_ppm__lte=PPM), name="supermarket_level_credit")]


class Offer(models.Model):
    """What one pool sells by the unit. cores_per_unit and memory_mib_per_unit come with each unit.

    edition: of the shelf, at the last change of the offer or of its prices; see `ShelfEdition`.
    """

    id = models.CharField(max_length=64, primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="offers")
    pool_id = models.CharField(max_length=64, db_index=True)
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=20)
    accelerator = models.CharField(max_length=64, blank=True)
    cores_per_unit = models.PositiveIntegerField()
    memory_mib_per_unit = models.PositiveIntegerField()
    service_level = models.ForeignKey(ServiceLevel, models.PROTECT, null=True, related_name="offers")
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    edition = models.BigIntegerField(default=0, db_index=True)

    objects = OfferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(unit=Unit.CORE, accelerator="", cores_per_unit=1)
                | (Q(unit=Unit.ACCELERATOR, cores_per_unit__gte=1) & ~Q(accelerator="")),
                name="supermarket_offer_unit",
            ),
            models.CheckConstraint(condition=Q(memory_mib_per_unit__gte=1), name="supermarket_offer_memory"),
        ]
        indexes = [models.Index(fields=["accelerator"], condition=Q(withdrawn_at=None), name="supermarket_offer_shelf")]

    @property
    def shape(self) -> Shape:
        """Return what comes with one unit."""
        return Shape(unit=Unit(self.unit), cores=self.cores_per_unit, memory_mib=self.memory_mib_per_unit)


class ShelfEdition(models.Model):
    """Counts the changes of the shelf, in its one row; each gives its number to the offer that it is about.

    The row is locked until the change is committed, so numbers come to light in their order: who has read one has
    missed none before it. id: made with the row, so that nobody takes the shelf of another hub for this one.
    reckoned: counts the changes of what is known of providers, which are about no offer.
    """

    id = models.CharField(max_length=64, primary_key=True)
    place = models.PositiveSmallIntegerField(unique=True, default=1)
    number = models.BigIntegerField(default=0)
    reckoned = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(place=1), name="supermarket_one_edition")]


class PriceRow(models.Model):
    """What 1 000 unit-seconds of an offer cost from valid_from until valid_until (None: until another row)."""

    id = models.CharField(max_length=64, primary_key=True)
    offer = models.ForeignKey(Offer, models.PROTECT, related_name="prices")
    price_uc = models.BigIntegerField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    source = models.CharField(max_length=200)
    added_by = models.CharField(max_length=64)
    added_at = models.DateTimeField()

    objects = PriceRowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(price_uc__gte=1, price_uc__lte=PRICE_MAX_UC), name="supermarket_price"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gt=F("valid_from")), name="supermarket_price_period"
            ),
        ]
        indexes = [models.Index(fields=["offer", "valid_from"], name="supermarket_price_period_idx")]


class OrderQuerySet(models.QuerySet["Order"]):
    """Filters of orders."""

    def visible_to(self, actor: Actor) -> "OrderQuerySet":
        """Keep the orders of the actor's organisation; operators see all."""
        if actor.is_operator:
            return self
        return self.filter(organisation_id=actor.organisation_id) if actor.organisation_id else self.none()

    def live_quotes(self) -> "OrderQuerySet":
        """Keep drafts, and quotes that nobody has taken yet or that wait for an approval."""
        return self.filter(live_slot__isnull=False, state__in=QUOTE_STATES)

    def running(self) -> "OrderQuerySet":
        """Keep orders whose money is held."""
        # The moments say the same as the states, and are what SQLite finds the index by: it compares no lists.
        return self.filter(placed_at__isnull=False, settled_at=None, state__in=RUNNING_STATES)

    def disputed(self) -> "OrderQuerySet":
        """Keep orders of which a dispute is open."""
        # Open disputes have an index and are few; orders have none by their state.
        return self.filter(state=OrderState.DISPUTED, id__in=Dispute.objects.filter(closed_at=None).values("order"))


class Order(models.Model):
    """One piece of work from draft to settlement.

    lines: how many the timeline has. request_name: of the request for the quote, so that its repetition finds it.
    live_slot: one of a person's places for live quotes, empty once it is taken or over. due_uc: what is charged now,
    after corrections. releasable_at: when earnings become available; released_at: when they did. relieved_at: when
    credits for others' faults stood, which is after settlement. judged: what it says of its providers is written down.
    card_ms: time on cards that it can take at most, and once it is settled that was billed. drawn_from: the review
    whose approval it is ordered by. purpose: what whoever took the quote told reviewers.
    """

    id = models.CharField(max_length=64, primary_key=True)
    organisation_id = models.CharField(max_length=64)
    person_id = models.CharField(max_length=64)
    project = models.ForeignKey("supermarket.Project", models.PROTECT, null=True, related_name="orders")
    name = models.CharField(max_length=63)
    state = models.CharField(max_length=16)
    lines = models.PositiveIntegerField(default=0)
    live_slot = models.PositiveSmallIntegerField(null=True)
    spec = models.JSONField()
    spec_sha256 = models.CharField(max_length=64)
    max_cost_uc = models.BigIntegerField(null=True)
    request_name = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 - no key, no name
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    refusal = models.JSONField(null=True)
    run_id = models.CharField(max_length=64, blank=True)
    placed_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    run_state = models.CharField(max_length=16, blank=True)
    billable_ms = models.BigIntegerField(null=True)
    purpose = models.CharField(max_length=1000, blank=True)
    card_ms = models.BigIntegerField(default=0)
    drawn_from = models.ForeignKey("supermarket.Review", models.PROTECT, null=True, related_name="drawn")
    max_uc = models.BigIntegerField(null=True)
    due_uc = models.BigIntegerField(null=True)
    settled_at = models.DateTimeField(null=True)
    relieved_at = models.DateTimeField(null=True)
    releasable_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    judged = models.BooleanField(default=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation_id", "person_id", "live_slot"],
                condition=Q(live_slot__isnull=False),
                name="supermarket_live_slot_once",
            ),
            models.UniqueConstraint(fields=["run_id"], condition=~Q(run_id=""), name="supermarket_one_order_per_run"),
            models.CheckConstraint(
                condition=Q(live_slot=None) | Q(live_slot__in=LIVE_SLOTS), name="supermarket_live_slot"
            ),
            models.CheckConstraint(condition=Q(state__in=sorted(OrderState)), name="supermarket_order_state"),
            models.CheckConstraint(
                condition=Q(max_uc=None) | Q(max_uc__gte=1, max_uc__lte=ORDER_MAX_UC), name="supermarket_order_max"
            ),
            models.CheckConstraint(
                condition=Q(due_uc=None) | Q(due_uc__gte=0, due_uc__lte=F("max_uc")), name="supermarket_order_due"
            ),
        ]
        indexes = [
            models.Index(fields=["organisation_id", "id"], name="supermarket_order_owner"),
            models.Index(fields=["organisation_id", "name", "settled_at"], name="supermarket_order_history"),
            models.Index(
                fields=["organisation_id", "settled_at"],
                condition=Q(settled_at__isnull=False),
                name="supermarket_order_spent",
            ),
            models.Index(
                fields=["organisation_id", "id"],
                condition=Q(state__in=sorted(UNSETTLED_STATES)),
                name="supermarket_order_unsettled",
            ),
            models.Index(
                fields=["id"],
                condition=Q(placed_at__isnull=False, settled_at=None),
                name="supermarket_order_running",
            ),
            models.Index(fields=["expires_at"], condition=Q(state__in=LAPSING_STATES), name="supermarket_order_lapse"),
            models.Index(
                fields=["organisation_id", "placed_at"],
                condition=Q(card_ms__gte=1, placed_at__isnull=False),
                name="supermarket_order_cards",
            ),
            models.Index(
                fields=["id"],
                condition=Q(relieved_at=None, settled_at__isnull=False),
                name="supermarket_order_relief",
            ),
            models.Index(
                fields=["settled_at"],
                condition=Q(judged=False, settled_at__isnull=False),
                name="supermarket_order_unjudged",
            ),
            models.Index(
                fields=["releasable_at"],
                condition=Q(released_at=None, settled_at__isnull=False),
                name="supermarket_order_release",
            ),
        ]


class Quote(models.Model):
    """The promise: `document` is exactly the text that was signed.

    locks: the resolved environment by pool id; notes: what does not refuse the quote but a reader wants to know, such
    as why an offer or a voucher was left out.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.OneToOneField(Order, models.PROTECT, related_name="quote")
    document = models.TextField()
    key_id = models.CharField(max_length=64)
    signature = models.CharField(max_length=256)
    locks = models.JSONField()
    notes = models.JSONField()


class TimelineEntry(models.Model):
    """One thing that happened to an order, with the money beside it. `state`: the order's state after it.

    said: template and values of `detail`, where it is a sentence that has some.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="timeline")
    number = models.PositiveIntegerField()
    step = models.CharField(max_length=24)
    state = models.CharField(max_length=16)
    at = models.DateTimeField()
    money = models.CharField(max_length=16, blank=True)
    amount_uc = models.BigIntegerField(null=True)
    detail = models.CharField(max_length=500, blank=True)
    said = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "number"], name="supermarket_timeline_number")]


class Settlement(models.Model):
    """The books of one order when it was settled, as files whose hashes the record holds.

    relief: postings that faults of others call for, made after the settlement, each as soon as it can be.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.OneToOneField(Order, models.PROTECT, related_name="settlement")
    charged_uc = models.BigIntegerField()
    voucher_uc = models.BigIntegerField()
    refunded_uc = models.BigIntegerField()
    transfers_csv = models.TextField()
    usage_csv = models.TextField()
    relief = models.JSONField()
    record_entry_id = models.CharField(max_length=64)
    settled_at = models.DateTimeField()


class Turnover(models.Model):
    """A part of what was ever settled, after corrections: all rows together are the whole, so nobody waits for one.

    orders: 0 in the row of a correction. Reconcile makes one row of many.
    """

    id = models.BigAutoField(primary_key=True)  # never shown, so without a prefix
    orders = models.BigIntegerField()
    due_uc = models.BigIntegerField()


class Dispute(models.Model):
    """A claim that part of a charge is wrong; it freezes the payable until its case is decided.

    attempt_ids: whose charge it is about, where the hub itself opened it; a member's claim is about the whole.
    """

    id = models.CharField(max_length=64, primary_key=True)
    order = models.ForeignKey(Order, models.PROTECT, related_name="disputes")
    attempt_ids = models.JSONField(default=list)
    claim_uc = models.BigIntegerField()
    reason = models.CharField(max_length=1000)
    opened_at = models.DateTimeField()
    case_id = models.CharField(max_length=64, unique=True)
    closed_at = models.DateTimeField(null=True)
    upheld = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order"], condition=Q(closed_at=None), name="supermarket_one_open_dispute"),
            models.CheckConstraint(condition=Q(claim_uc__gte=1), name="supermarket_dispute_claim"),
        ]


class FrozenEarning(models.Model):
    """One of the providers whose offers stand in a disputed order's quote; it goes when the dispute is closed.

    By it a provider's desk finds the disputes that freeze its own earnings, however many others are open.
    """

    id = models.CharField(max_length=64, primary_key=True)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="frozen_earnings")
    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="frozen_earnings")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dispute", "provider"], name="supermarket_frozen_once")]
