"""Charges as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification (focus.finops.org), cost and usage.

Prices are in credits, the pricing currency, and billed in a national currency at the rate of the day. Nothing is
rounded: costs are the ledger's micro-credits times the rate, and a list cost is price times quantity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lilong.common.rates import RATE_DECIMALS, UC_DECIMALS, Rate, format_exact
from lilong.common.spreadsheets import guard_text
from lilong.platforms.supermarket.core.charges import Charge, ChargedOrder
from lilong.platforms.supermarket.core.pricing import ChargeLine, Unit

CREDIT_CURRENCY = "CRD"
"""Credits as a pricing currency: no national one has these letters, and the validator takes three capitals alone."""

MS_DECIMALS = 3
PRICE_DECIMALS = UC_DECIMALS + 3  # a price is micro-credits per 1 000 unit-seconds
UNITS = {Unit.CORE: "Core-Seconds", Unit.ACCELERATOR: "Accelerator-Seconds"}
METERS = {Unit.CORE: "Core time", Unit.ACCELERATOR: "Accelerator time"}
SERVICE = "Computing power"

COLUMNS = (
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",  # never filled: the rules of ConsumedQuantity ask for it
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "x_AttemptId",
    "x_Code",
    "x_CorrectsTransferIds",
    "x_CreditRate",
    "x_CreditRateSource",
    "x_LinkGroupId",
    "x_OrderId",
    "x_TransferIds",
    "x_VoucherId",
)
"""Every mandatory column, the conditional ones whose condition a hub meets, and ours (`x_`) that lead to the ledger."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who pays, by id and name; the hub, which sells in its own name; and by offer whose machines they are."""

    account_id: str
    account_name: str
    hub: str
    offers: Mapping[str, str]
    publishers: Mapping[str, str]


def render_charge(*, charge: Charge, parties: Parties, rate: Rate, invoice_number: str) -> dict[str, str]:
    """Return the row of a charge; what does not apply is empty, which FOCUS reads as null.

    invoice_number: of the paper that the charge stands on, empty until it is issued.
    """
    begin, end = find_month(charge.effective_at)
    cost = _cost(charge.amount_uc, rate)
    row = dict.fromkeys(COLUMNS, "") | {
        "BilledCost": cost,
        "BillingAccountId": parties.account_id,
        "BillingAccountName": guard_text(parties.account_name),
        "BillingAccountType": "Organisation",
        "BillingCurrency": rate.currency,
        "BillingPeriodEnd": _second(end),
        "BillingPeriodStart": _second(begin),
        "ChargeCategory": charge.category.value,
        "ChargeClass": "Correction" if is_correction(charge=charge) else "",
        "ChargeDescription": guard_text(_describe(charge, parties)),
        "ChargeFrequency": "Usage-Based" if charge.line else "One-Time",
        "ChargePeriodEnd": _second(_ceil(charge.effective_at)),
        "ChargePeriodStart": _second(charge.effective_at),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "InvoiceId": invoice_number,
        "InvoiceIssuerName": guard_text(parties.hub),
        "ListCost": cost,
        "PricingCurrency": CREDIT_CURRENCY,
        "PricingCurrencyEffectiveCost": format_exact(units=charge.amount_uc, decimals=UC_DECIMALS),
        "ProviderName": guard_text(parties.hub),
        "PublisherName": guard_text(parties.hub),
        "ServiceCategory": "Compute",
        "ServiceName": SERVICE,
        "ServiceSubcategory": "Other (Compute)",
        "x_Code": charge.code,
        "x_CorrectsTransferIds": " ".join(charge.corrects),
        "x_CreditRate": format_exact(units=rate.millionths, decimals=RATE_DECIMALS),
        "x_CreditRateSource": guard_text(f"{'EXAMPLE: ' if rate.is_example else ''}{rate.source}"),
        "x_LinkGroupId": charge.group_id,
        "x_TransferIds": " ".join(charge.transfer_ids),
        "x_VoucherId": charge.voucher_id,
    }
    if charge.order:
        row |= _say_order(charge.order)
    if charge.order and charge.line:
        row |= _say_usage(charge.order, charge.line, parties, rate)
    return row


def is_correction(*, charge: Charge) -> bool:
    """Return whether the charge puts right one of an earlier billing period: FOCUS marks no other corrections."""
    if not charge.corrects or charge.order is None:
        return False
    return charge.order.settled_at < find_month(charge.effective_at)[0]


def find_month(moment: datetime) -> tuple[datetime, datetime]:
    """Return the billing period of a moment: the beginning of its month in UTC, and of the next one."""
    begin = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begin, (begin + timedelta(days=32)).replace(day=1)


def _say_order(order: ChargedOrder) -> dict[str, str]:
    return {
        "ResourceId": order.run_id,
        "ResourceName": guard_text(order.name),
        "ResourceType": "Run",
        "x_OrderId": order.id,
    }


def _say_usage(order: ChargedOrder, line: ChargeLine, parties: Parties, rate: Rate) -> dict[str, str]:
    terms, unit_ms = line.terms, line.terms.units * line.usage.billable_ms
    quantity, unit = format_exact(units=unit_ms, decimals=MS_DECIMALS), UNITS[terms.unit]
    price = format_exact(units=terms.price_uc * rate.millionths, decimals=PRICE_DECIMALS + RATE_DECIMALS)
    credits_price = format_exact(units=terms.price_uc, decimals=PRICE_DECIMALS)
    decimals = PRICE_DECIMALS + RATE_DECIMALS + MS_DECIMALS
    full_cost = format_exact(units=terms.price_uc * unit_ms * rate.millionths, decimals=decimals)
    return {
        "ChargePeriodEnd": _second(_ceil(order.settled_at)),
        "ChargePeriodStart": _second(order.placed_at),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ContractedCost": full_cost,
        "ContractedUnitPrice": price,
        "ListCost": full_cost,
        "ListUnitPrice": price,
        "PricingCategory": "Standard",
        "PricingCurrencyContractedUnitPrice": credits_price,
        "PricingCurrencyListUnitPrice": credits_price,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "PublisherName": guard_text(parties.publishers[terms.offer_id]),
        "SkuId": terms.offer_id,
        "SkuMeter": METERS[terms.unit],
        "SkuPriceId": terms.price_row_id,
        "x_AttemptId": line.usage.attempt_id,
    }


def _describe(charge: Charge, parties: Parties) -> str:
    about = f" for {charge.order.name}" if charge.order else ""
    if charge.line:
        terms, usage = charge.line.terms, charge.line.usage
        seconds = format_exact(units=usage.billable_ms, decimals=MS_DECIMALS)
        return f"{parties.offers[terms.offer_id]}: {terms.units} units for {seconds} s, attempt {usage.number}{about}"
    if charge.voucher_id:
        return f"Paid by voucher {charge.voucher_id}{about}"
    return f"{charge.code.replace('_', ' ').capitalize()}{about}"


def _cost(amount_uc: int, rate: Rate) -> str:
    return format_exact(units=amount_uc * rate.millionths, decimals=UC_DECIMALS + RATE_DECIMALS)


def _ceil(moment: datetime) -> datetime:
    """Return the next whole second after a moment: the first that no part of its charge lies in."""
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
