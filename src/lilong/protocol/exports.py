"""The files of one order that an outsider recomputes: their names, columns and one byte form.

`docs/reference/exports.md` says what they mean; `tools/recompute_charge.py` and `tools/verify_record.py` check them.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence

from lilong.common.canonical import Json, canonical_json

TRANSFERS_FILE = "transfers.csv"
USAGE_FILE = "usage.csv"
QUOTE_FILE = "quote.json"
RECORD_FILE = "record.json"
KEYS_FILE = "keys.json"

SETTLEMENT_KIND = "supermarket.settlement"

TRANSFER_COLUMNS = (
    "id",
    "link_id",
    "kind",
    "pending_id",
    "debit_account",
    "credit_account",
    "debit_role",
    "credit_role",
    "amount_uc",
    "code",
    "subject",
    "effective_at",
    "recorded_at",
)
USAGE_COLUMNS = (
    "attempt_id",
    "number",
    "offer_id",
    "unit",
    "units",
    "metered_ms",
    "billable_ms",
    "fault",
    "state",
)


def render_csv(*, columns: Sequence[str], rows: Iterable[Mapping[str, str | int]]) -> bytes:
    r"""Return rows as UTF-8 CSV with a header: equal rows have equal bytes. A row has exactly these columns.

    >>> render_csv(columns=("id", "amount_uc"), rows=[{"id": "tra_1", "amount_uc": 5}])
    b'id,amount_uc\ntra_1,5\n'
    """
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        if set(row) != set(columns):
            raise ValueError(f"A row needs the columns {', '.join(columns)}.")
        writer.writerow([row[column] for column in columns])
    return "".join(lines).encode()


def render_json(value: Json) -> bytes:
    r"""Return `value` as canonical JSON with one newline at the end: the only form that the verifiers accept.

    >>> render_json({"b": 1, "a": "é"}).decode()
    '{"a":"é","b":1}\n'
    """
    return canonical_json(value) + b"\n"


class _Lines(list[str]):
    """What csv needs to write to: the one method that a list lacks."""

    def write(self, line: str) -> None:
        self.append(line)
