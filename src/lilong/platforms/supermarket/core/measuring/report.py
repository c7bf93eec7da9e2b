"""Whether a report of a measurement is believed, and which figures it gives.

The nonce draws the matrices, so nothing of it can be prepared or taken from an earlier report. The job commits to every
row of every product before it learns which rows it has to open; the hub then recomputes entries of these rows that
nobody knew before. So whoever passes has multiplied, after the nonce was drawn, for every repetition. How long it took
is the word of the machine's own clock: that, and that it was this machine, no report can prove.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lilong.common.sentences import say
from lilong.platforms.supermarket.core.measuring.figures import Spread, summarise
from lilong.platforms.supermarket.core.measuring.method import METRICS, MODEL_SHA256, Plan

OPENED_ROWS = 4
DIGEST_BYTES = 16
ENTRY_BYTES = 4
ENTRIES_CHECKED = 48
PIECE_BYTES = 1024**2
PIECES_CHECKED = 4
ROUNDING = {"fp16": 2**-10, "bf16": 2**-7}
"""How far a stored entry may lie from the exact one, as a part of it: twice the precision's own rounding."""

_SHIFTED = bytes(byte % 7 for byte in range(256))
_Count = Annotated[int, Field(ge=1, le=2**62, strict=True)]
_Text = Annotated[str, Field(max_length=200)]


class ReportRefused(Exception):
    """A report that is not believed. why: a sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a report gives: spreads by metric, and why others were not measured."""

    spreads: Mapping[str, Spread]
    not_measured: Mapping[str, str]
    machine: Mapping[str, str]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Proof(_Said):
    commitments: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class _Result(_Said):
    spent_ns: tuple[_Count, ...]
    size: int | None = None
    proof: _Proof | None = None
    bytes: _Count | None = None
    tokens: tuple[_Count, ...] = ()
    messages: _Count | None = None
    commitments: tuple[str, ...] = ()
    model: _Text = ""
    model_sha256: _Text = ""
    text_sha256: _Text = ""


class _Report(_Said):
    schema_: Literal["lilong.measurement/1"] = Field(alias="schema")
    nonce: _Text
    measured: dict[_Text, _Result]
    not_measured: dict[_Text, _Text]
    machine: dict[_Text, _Text | int]
    sha256: str


def check_report(*, content: bytes, plan: Plan, chance: Random) -> Findings:
    """Return what a report says, or raise ReportRefused. chance: draws the entries that are recomputed; keep it secret.

    Cost: about one second for matrices of 8192, nearly nothing below.
    """
    report = _read(content)
    if report.nonce != plan.nonce:
        raise ReportRefused(say("It carries the nonce of another measurement."))
    return Findings(
        spreads={code: _check_result(code, result, plan, chance) for code, result in report.measured.items()},
        not_measured=report.not_measured,
        machine={name: str(value) for name, value in report.machine.items()},
    )


def _read(content: bytes) -> _Report:
    try:
        said = json.loads(content)
        report = _Report.model_validate(said)
    except (ValueError, ValidationError, RecursionError) as error:
        raise ReportRefused(say("It is not in the form of a report.")) from error
    sealed = {name: value for name, value in said.items() if name != "sha256"}
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    if hashlib.sha256(text.encode()).hexdigest() != report.sha256:
        raise ReportRefused(say("Its digest does not fit what it says."))
    return report


def _check_result(code: str, result: _Result, plan: Plan, chance: Random) -> Spread:
    metric = METRICS.get(code)
    is_exchange = code.startswith("interconnect")
    if metric is None or len(result.spent_ns) != plan.repetitions or (is_exchange and plan.nodes == 1):
        raise ReportRefused(say("{code} is not what was asked for.", code=code))
    if code.startswith("gemm_"):
        _check_products(code.removeprefix("gemm_"), result, plan, chance)
        work: Sequence[int] = [2 * plan.size**3] * plan.repetitions
    elif code == "tokens":
        if result.model_sha256 != MODEL_SHA256:
            raise ReportRefused(say("Its tokens are of another model."))
        work = result.tokens
    elif code == "interconnect_latency":
        work = [result.messages or 0] * plan.repetitions
    else:
        if code == "interconnect":
            _check_exchange(result, plan, chance)
        work = [result.bytes or 0] * plan.repetitions
    if len(work) != plan.repetitions or not all(work):
        raise ReportRefused(say("{code} does not say how much work was done.", code=code))
    return summarise(metric=metric, work=work, spent_ns=result.spent_ns)


def _check_exchange(result: _Result, plan: Plan, chance: Random) -> None:
    """Draw some of the pieces that were to be exchanged, and compare them with what came out at the other end."""
    if result.bytes != plan.exchange_mib * PIECE_BYTES or len(result.commitments) != plan.repetitions:
        raise ReportRefused(say("What two nodes exchanged is not proven."))
    for number, written in enumerate(result.commitments):
        digests = _decode(written, size=DIGEST_BYTES * plan.exchange_mib)
        for piece in chance.sample(range(plan.exchange_mib), min(PIECES_CHECKED, plan.exchange_mib)):
            content = hashlib.shake_256(f"{plan.nonce}/interconnect/{number}/{piece}".encode()).digest(PIECE_BYTES)
            begin = DIGEST_BYTES * piece
            if hashlib.sha256(content).digest()[:DIGEST_BYTES] != digests[begin : begin + DIGEST_BYTES]:
                raise ReportRefused(say("What two nodes exchanged is not what was drawn."))


def _check_products(precision: str, result: _Result, plan: Plan, chance: Random) -> None:
    proof = result.proof
    counts = (len(proof.commitments), len(proof.rows)) if proof else ()
    if proof is None or result.size != plan.size or counts != (plan.repetitions, plan.repetitions):
        raise ReportRefused(say("The products of {precision} are not proven.", precision=precision))
    commitments = [_decode(each, size=DIGEST_BYTES * plan.size) for each in proof.commitments]
    places = _list_places(precision, commitments, plan)
    right = _draw_entries(plan.nonce, precision, "b", count=plan.size**2)
    for number, (rows, opened) in enumerate(zip(places, proof.rows, strict=True)):
        if len(opened) != OPENED_ROWS:
            raise ReportRefused(say("The products of {precision} are not proven.", precision=precision))
        for row, written in zip(rows, opened, strict=True):
            content = _decode(written, size=ENTRY_BYTES * plan.size)
            begin = DIGEST_BYTES * row
            committed = commitments[number][begin : begin + DIGEST_BYTES]
            left = _draw_entries(plan.nonce, precision, "a", number, row, count=plan.size)
            is_committed = hashlib.sha256(content).digest()[:DIGEST_BYTES] == committed
            if not is_committed or not _is_product(content, left, right, precision=precision, chance=chance):
                raise ReportRefused(
                    say("A row of a product of {precision} is not what multiplying gives.", precision=precision)
                )


def _is_product(content: bytes, left: bytes, right: bytes, *, precision: str, chance: Random) -> bool:
    """Recompute some entries of a row. left, right: entries 0 to 6, which stand for -3 to 3; right: row by row."""
    size = len(left)
    for column in chance.sample(range(size), min(ENTRIES_CHECKED, size)):
        others = right[column::size]
        exact = sum(map(mul, left, others)) - 3 * (sum(left) + sum(others)) + 9 * size
        begin = ENTRY_BYTES * column
        stored = int.from_bytes(content[begin : begin + ENTRY_BYTES], "little", signed=True)
        if abs(stored - exact) > abs(exact) * ROUNDING.get(precision, 0):
            return False
    return True


def _list_places(precision: str, commitments: Sequence[bytes], plan: Plan) -> Iterator[list[int]]:
    """Yield, for each repetition, which rows had to be opened."""
    committed = hashlib.sha256(b"".join(commitments)).hexdigest()
    content = _draw(plan.nonce, precision, committed, count=4 * OPENED_ROWS * plan.repetitions)
    places = [int.from_bytes(content[at : at + 4], "big") % plan.size for at in range(0, len(content), 4)]
    for begin in range(0, len(places), OPENED_ROWS):
        yield places[begin : begin + OPENED_ROWS]


def _draw(*words: str | int, count: int) -> bytes:
    return hashlib.shake_256("/".join(str(word) for word in words).encode()).digest(count)


def _draw_entries(*words: str | int, count: int) -> bytes:
    return _draw(*words, count=count).translate(_SHIFTED)


def _decode(text: str, *, size: int) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReportRefused(say("It is not in the form of a report.")) from error
    if len(content) != size:
        raise ReportRefused(say("It is not in the form of a report."))
    return content
