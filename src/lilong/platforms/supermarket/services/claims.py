"""Hand what was measured of accelerators to the stack, as claims of its highest tier."""

from datetime import datetime
from decimal import Decimal

import structlog

from lilong.common.errors import LilongError
from lilong.platforms.stack.public import Confidence, Draft, Source, Tier, hand_in_measurement
from lilong.platforms.supermarket.core.measuring.figures import MICRO
from lilong.platforms.supermarket.models import Figure

PROPERTIES = {"gemm_fp16": "fp16_bf16_dense_tflops", "gemm_bf16": "fp16_bf16_dense_tflops"}
"""What of a measurement is a property of the accelerator itself: memory and disk are the host's, tokens the model's."""

_DECIMALS = Decimal("0.001")

log = structlog.get_logger()


def claim_figure(*, figure: Figure, run_id: str, now: datetime) -> None:
    """Claim what a figure says of the accelerator of its offer, where it says something of it. Idempotent by run.

    An accelerator of which nothing more can be claimed keeps the claims that it has; the figure stands all the same.
    """
    accelerator, name = figure.offer.accelerator, PROPERTIES.get(figure.metric)
    value = (Decimal(figure.micro) / MICRO).quantize(_DECIMALS)
    if not accelerator or name is None or not value:
        return
    draft = Draft(
        property=name,
        value=str(value),
        tier=Tier.MEASURED,
        confidence=Confidence.MEDIUM,
        source=Source(title="Measurement of this hub", dated_on=figure.measured_at.date()),
        conditions=f"{figure.metric.removeprefix('gemm_')}, offer {figure.offer_id}",
        note=f"Middle of {figure.count} products, {_write(figure.lowest)} to {_write(figure.highest)} TFLOPS",
    )
    try:
        hand_in_measurement(name=accelerator, draft=draft, run_id=run_id, now=now)
    except LilongError as refusal:
        log.warning("claim_not_taken", offer=figure.offer_id, code=refusal.code)


def _write(micro: int) -> str:
    return str((Decimal(micro) / MICRO).quantize(_DECIMALS))
