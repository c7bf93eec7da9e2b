"""What people read instead of the codes of an order's timeline."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy
from django.utils.translation import pgettext_lazy as _

from lilong.platforms.supermarket.core.reputation import BANDS, BELOW, TOO_FEW, Share
from lilong.platforms.supermarket.core.search.fields import NONE
from lilong.platforms.supermarket.core.starts import Starts
from lilong.protocol.messages import Reason

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

STEPS: "Mapping[str, _StrOrPromise]" = {
    "sign_quote": _("step", "Quoted"),
    "refuse": _("step", "Refused"),
    "lapse": _("step", "Expired"),
    "hand_back": _("step", "Handed back"),
    "ask_approval": _("step", "Waits for an approval"),
    "ask_review": _("step", "Waits for a review of its size"),
    "lapse_quote": _("step", "Its quote expired; it still waits"),
    "draw": _("step", "Ordered from an approved request"),
    "approve": _("step", "Approved"),
    "deny": _("step", "Not approved"),
    "hold": _("step", "Money held"),
    "submit": _("step", "Queued"),
    "start": _("step", "Running"),
    "cancel": _("step", "Cancellation asked for"),
    "end": _("step", "Ended"),
    "settle": _("step", "Settled"),
    "refund": _("step", "The rest given back"),
    "credit": _("step", "Credit for lost time"),
    "correct": _("step", "Charge corrected"),
    "correct_refused": _("step", "Correction could not be posted"),
    "release": _("step", "Provider paid"),
    "dispute": _("step", "Disputed"),
    "close_dispute": _("step", "Dispute decided"),
}

STARTS: "Mapping[str, _StrOrPromise]" = {
    Starts.NOW: gettext_lazy("at once, as it looks"),
    Starts.AFTER_MAINTENANCE: gettext_lazy("after maintenance"),
    Starts.UNKNOWN: gettext_lazy("nobody can say"),
}

FACETS: "Mapping[str, _StrOrPromise]" = {
    "accelerator": gettext_lazy("Accelerator"),
    "vendor": gettext_lazy("Vendor"),
    "jurisdiction": gettext_lazy("Vendor's country"),
    "unit": gettext_lazy("Sold by the"),
    "start": gettext_lazy("Starts"),
    "provider": gettext_lazy("Provider"),
    "level": gettext_lazy("Service level"),
    "track_record": gettext_lazy("Ended well, at least"),
}

VALUES: "Mapping[tuple[str, str], _StrOrPromise]" = {
    ("unit", "core"): gettext_lazy("core"),
    ("unit", "accelerator"): gettext_lazy("accelerator"),
    ("jurisdiction", "CN"): gettext_lazy("China"),
    ("jurisdiction", "US"): gettext_lazy("United States"),
    **{("start", start): label for start, label in STARTS.items()},
    **{("track_record", band): f"{band.removesuffix('+')}%" for band in BANDS},
    ("track_record", BELOW): gettext_lazy("below 80%"),
    ("track_record", TOO_FEW): gettext_lazy("too few to say"),
    **{(field, NONE): gettext_lazy("none") for field in ("accelerator", "vendor", "jurisdiction", "level")},
}

MONEY: "Mapping[str, _StrOrPromise]" = {
    "reserved": _("money", "reserved on vouchers"),
    "at_most": _("money", "at most"),
    "held": _("money", "held"),
    "so_far": _("money", "so far"),
    "charged": _("money", "charged"),
    "refunded": _("money", "given back"),
    "released": _("money", "released"),
    "credited": _("money", "credited"),
    "claimed": _("money", "claimed back"),
}

METRICS: "Mapping[str, _StrOrPromise]" = {
    "gemm_fp32": gettext_lazy("Matrix products, fp32"),
    "gemm_fp64": gettext_lazy("Matrix products, fp64"),
    "gemm_fp16": gettext_lazy("Matrix products, fp16"),
    "gemm_bf16": gettext_lazy("Matrix products, bf16"),
    "memory": gettext_lazy("Memory, copied"),
    "disk_write": gettext_lazy("Disk, written and synced"),
    "disk_read": gettext_lazy("Disk, read"),
    "tokens": gettext_lazy("SmolLM2-135M, written"),
    "interconnect": gettext_lazy("Interconnect of two nodes"),
    "interconnect_latency": gettext_lazy("Latency between two nodes"),
}

MEASURED_SORTS: "Mapping[str, _StrOrPromise]" = {
    "measured_fp32": gettext_lazy("fp32 speed"),
    "measured_fp16": gettext_lazy("fp16 speed"),
    "measured_bf16": gettext_lazy("bf16 speed"),
    "measured_memory": gettext_lazy("memory speed"),
    "measured_tokens": gettext_lazy("tokens per second"),
    "measured_interconnect": gettext_lazy("interconnect"),
    "fp32_price": gettext_lazy("price of a TFLOP-hour in fp32"),
    "fp16_price": gettext_lazy("price of a TFLOP-hour in fp16"),
    "bf16_price": gettext_lazy("price of a TFLOP-hour in bf16"),
    "token_price": gettext_lazy("price of a million tokens"),
}

SHORT_SHARES: "Mapping[Share, _StrOrPromise]" = {
    Share.ENDED_WELL: gettext_lazy("ended well"),
    Share.STARTED_IN_TIME: gettext_lazy("began in time"),
    Share.LEVEL_KEPT: gettext_lazy("service level kept"),
    Share.UNDISPUTED: gettext_lazy("undisputed"),
    Share.STEADY_SPEED: gettext_lazy("steady speed"),
}

SHARES: "Mapping[Share, _StrOrPromise]" = {
    Share.ENDED_WELL: gettext_lazy("Ended without the provider's fault"),
    Share.STARTED_IN_TIME: gettext_lazy("Began within the time estimated"),
    Share.LEVEL_KEPT: gettext_lazy("Service level kept"),
    Share.UNDISPUTED: gettext_lazy("Without a dispute decided for the member"),
    Share.STEADY_SPEED: gettext_lazy("Measured as fast as before"),
}

PARTS: "Mapping[str, _StrOrPromise]" = {
    Reason.SPEC_REFUSED: gettext_lazy("job refused"),
    Reason.ISOLATION_MISSING: gettext_lazy("no sandbox"),
    Reason.STAGING_FAILED: gettext_lazy("files not brought"),
    Reason.SHIM_LOST: gettext_lazy("job lost"),
    Reason.NODE_LOST: gettext_lazy("node lost"),
    Reason.AGENT_LOST: gettext_lazy("agent lost"),
    Reason.PREEMPTED_BY_PROVIDER: gettext_lazy("pushed out by the provider"),
    Reason.ENGINE_REFUSED: gettext_lazy("refused by the engine"),
    "opened": gettext_lazy("disputes opened"),
    "undecided": gettext_lazy("not decided yet"),
    "upheld": gettext_lazy("decided for the member"),
    "rejected": gettext_lazy("decided for the provider"),
}
