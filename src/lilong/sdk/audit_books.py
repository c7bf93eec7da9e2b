"""Whether the files of an audit pack hold together: books, journal, programmes, papers, pay-outs."""

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Protocol
from zipfile import ZipFile

from lilong.common.time import format_moment
from lilong.protocol.audit_pack import (
    END_FILE,
    INVOICES,
    JOURNAL_FILE,
    MOVES_COLUMNS,
    MOVES_FILE,
    MOVING_KINDS,
    PAY_OUT_COLUMNS,
    PAY_OUTS_FILE,
    PROGRAMMES,
    REPORT_NAME,
    START_FILE,
    TRIAL_COLUMNS,
    end_account_name,
    name_kind,
    read_figures,
)

SUMS = ("posted_uc", "pending_out_uc", "pending_in_uc")
FIRST_MOMENT = "T00:00:00.000000Z"
APPROVERS_MIN = 2
INSTANT = timedelta(microseconds=1)
_RULE = re.compile(r"rule-(\d+)\.json")
_AMOUNT = r"(-?\d+\.\d{6}) CREDIT"
_ENTRY = re.compile(r'\d{4}-\d\d-\d\d \* "')
_ID = re.compile(r'  id: "(.*)"')
_POSTING = re.compile(rf"  (\S+)  {_AMOUNT}")
_BALANCE = re.compile(rf"\d{{4}}-\d\d-\d\d balance (\S+) {_AMOUNT}")
_OTHERS = re.compile(r'|option "\S+" ".*"|\d{4}-\d\d-\d\d (commodity|open) .*|  group: ".*"')


class Proofs(Protocol):
    """What the record proves; see `audit_checks.Proven`."""

    rules: dict[tuple[str, int], str]
    invoices: dict[str, str]
    pay_outs: dict[str, tuple[int, str]]
    approvers: dict[str, list[str]]
    erased: set[str]


Row = Mapping[str, str]
Trial = Mapping[str, tuple[int, ...]]


@dataclass(slots=True)
class Books:
    """The books of a period. paid_out: what transfers paid out, by pay-out; changes: by kind of account and sum."""

    ends_on: str
    start: Trial = field(default_factory=dict[str, tuple[int, ...]])
    end: Trial = field(default_factory=dict[str, tuple[int, ...]])
    transfers: int = 0
    changes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    paid_out: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, row: Row) -> None:
        """Add a transfer; raises ValueError for figures that are none."""
        payer, receiver, amount_uc = row["debit_role"], row["credit_role"], int(row["amount_uc"])
        self.transfers += 1
        if row["kind"] in MOVING_KINDS:
            self.changes[payer, "posted_uc"] -= amount_uc
            self.changes[receiver, "posted_uc"] += amount_uc
        pended_uc = amount_uc if row["kind"] == "pend" else -int(row["held_uc"] or 0)
        self.changes[payer, "pending_out_uc"] += pended_uc
        self.changes[receiver, "pending_in_uc"] += pended_uc
        if row["kind"] == "settle" and row["code"] == "pay_out":
            self.paid_out[row["subject"]] = amount_uc


def check_books(*, pack: ZipFile, begins_on: str, ends_on: str) -> tuple[Books, list[str]]:
    """Return the books, and what does not agree in trial balances, transfers and journal. One pass over each file."""
    books, problems = Books(ends_on), list[str]()
    try:
        books.start, books.end = _read_trial(pack, START_FILE), _read_trial(pack, END_FILE)
        moves = _read_moves(pack, books, problems, begin=f"{begins_on}{FIRST_MOMENT}", end=f"{ends_on}{FIRST_MOMENT}")
        journal = _Journal(pack, problems)
        for move, entry in zip_longest(moves, journal.list_transactions()):
            if move is None or entry is None or entry != _expect(move, entry):
                problems.append(f"{JOURNAL_FILE} and {MOVES_FILE} part at {_name(move, entry)}.")
                break
        else:
            problems += journal.check_ends(books)
            problems += _check_trials(books)
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        problems.append(f"The books cannot be read: {error}")
    return books, problems


def check_programmes(*, pack: ZipFile, proven: Proofs, books: Books) -> list[str]:
    """Return which reports contradict themselves or the trial balance, and which rules are not those recorded."""
    problems: list[str] = []
    sums: Counter[str] = Counter()
    last = format_moment(datetime.fromisoformat(f"{books.ends_on}{FIRST_MOMENT}") - INSTANT)
    missing = set(proven.rules)
    for path in _list_names(pack, PROGRAMMES):
        _, programme_id, name = path.split("/")
        if name == REPORT_NAME:
            report = json.loads(pack.read(path))
            sums.update({key: value for key, value in report["total"].items() if key.endswith("_uc")})
            if report["at"] != last or not _adds_up(report):
                problems.append(f"{path} does not add up.")
        elif found := _RULE.fullmatch(name):
            version = programme_id, int(found[1])
            missing.discard(version)
            is_recorded = proven.rules.get(version) == hashlib.sha256(pack.read(path)).hexdigest()
            if programme_id not in proven.erased and not is_recorded:
                problems.append(f"{path} is not the rule that was recorded.")
    problems += [f"{PROGRAMMES}/{each}/rule-{number}.json is missing." for each, number in sorted(missing)]
    fund, voucher = (books.end.get(kind, (0, 0, 0)) for kind in ("programme_fund", "voucher"))
    reported = (sums["fund_uc"], sums["vouchers_uc"], sums["reserved_uc"] + sums["held_uc"])
    if reported != (fund[0], voucher[0], voucher[1]):
        problems.append("The reports of programmes do not agree with the trial balance at the end.")
    return problems


def check_invoices(*, pack: ZipFile, proven: Proofs) -> list[str]:
    """Return which invoices are not those recorded, and which are missing."""
    problems: list[str] = []
    found: set[str] = set()
    for path in _list_names(pack, INVOICES):
        number, _, ending = path.removeprefix(f"{INVOICES}/").partition(".")
        found.add(number)
        if ending == "json" and proven.invoices.get(number) != hashlib.sha256(pack.read(path)).hexdigest():
            problems.append(f"{path} is not the document that was recorded.")
    return problems + [f"{INVOICES}/{number}.json is missing." for number in sorted(proven.invoices.keys() - found)]


def check_pay_outs(*, pack: ZipFile, proven: Proofs, books: Books) -> list[str]:
    """Return which pay-outs were not recorded, approved by two people and posted as they are listed."""
    problems: list[str] = []
    sent: dict[str, int] = {}
    for row in _read_rows(pack, PAY_OUTS_FILE, PAY_OUT_COLUMNS):
        pay_out_id, case_id, approvers = row["id"], row["case_id"], row["approvers"].split()
        if row["state"] != "sent":
            continue
        sent[pay_out_id] = int(row["amount_uc"])
        recorded = proven.pay_outs.get(pay_out_id)
        if pay_out_id not in proven.erased and recorded != (sent[pay_out_id], row["bank_reference"]):
            problems.append(f"{PAY_OUTS_FILE}: {pay_out_id} is not what was recorded.")
        if len(set(approvers)) < APPROVERS_MIN or (
            case_id not in proven.erased and proven.approvers.get(case_id) != approvers
        ):
            problems.append(f"{PAY_OUTS_FILE}: {pay_out_id} was not approved by these two people.")
    if sent != books.paid_out:
        problems.append(f"{PAY_OUTS_FILE} and {MOVES_FILE} have different pay-outs.")
    return problems


class _Journal:
    """Reads a journal in the form that the hub writes, and adds it up."""

    def __init__(self, pack: ZipFile, problems: list[str]) -> None:
        self._pack, self._problems = pack, problems
        self._sums: Counter[str] = Counter()
        self._asserted: dict[str, int] = {}
        self._opening: Counter[str] | None = None

    def list_transactions(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield id, name with a plus, name with a minus and amount of every transaction after the opening."""
        entry_id, sides = "", list[tuple[str, int]]()
        for line in map(str.rstrip, _read_lines(self._pack, JOURNAL_FILE)):
            if found := _POSTING.fullmatch(line):
                side = found[1], _read_amount(found[2])
                if self._opening is not None and not entry_id:
                    raise ValueError(f"an entry of {JOURNAL_FILE} has no id")
                self._sums[side[0]] += side[1]
                sides.append(side)
                if entry_id and len(sides) == 2:  # noqa: PLR2004 - to and from
                    yield entry_id, sides[0][0], sides[1][0], sides[0][1]
                    entry_id = ""
            elif found := _ID.fullmatch(line):
                self._opening = self._opening if self._opening is not None else self._sum_kinds()
                entry_id, sides = found[1], []
            elif found := _BALANCE.fullmatch(line):
                self._assert(found[1], _read_amount(found[2]))
            elif not _ENTRY.match(line) and not _OTHERS.fullmatch(line):
                raise ValueError(f"{JOURNAL_FILE} has a line that no hub writes: {line[:80]}")

    def check_ends(self, books: Books) -> Iterator[str]:
        """Yield where the journal, read to its end, disagrees with the trial balances."""
        for name, sum_uc in self._sums.items():
            if sum_uc and self._asserted.get(name) != sum_uc:
                yield f"{JOURNAL_FILE} does not assert what {name} holds."
        opening = self._opening if self._opening is not None else self._sum_kinds()
        for path, trial, kinds in ((START_FILE, books.start, opening), (END_FILE, books.end, self._sum_kinds())):
            posted = Counter({name_kind(kind=kind): sums[0] for kind, sums in trial.items()})
            if any(posted[kind] != -kinds[kind] for kind in {*posted, *kinds}):
                yield f"{JOURNAL_FILE} and {path} disagree."

    def _assert(self, name: str, amount_uc: int) -> None:
        self._asserted[name] = amount_uc
        if self._sums[name] != amount_uc:
            self._problems.append(f"{JOURNAL_FILE} asserts another balance of {name} than its entries add up to.")

    def _sum_kinds(self) -> Counter[str]:
        kinds: Counter[str] = Counter()
        for name, sum_uc in self._sums.items():
            kinds[name.split(":")[1]] += sum_uc
        return kinds


def _read_moves(pack: ZipFile, books: Books, problems: list[str], *, begin: str, end: str) -> Iterator[Row]:
    """Add up every transfer, and yield those that move money."""
    for row in _read_rows(pack, MOVES_FILE, MOVES_COLUMNS):
        books.add(row)
        if not begin <= row["effective_at"] < end:
            problems.append(f"{MOVES_FILE}: {row['id']} does not count for the period.")
        if row["kind"] in MOVING_KINDS:
            yield row


def _expect(move: Row, entry: tuple[str, str, str, int]) -> tuple[str, str, str, int] | None:
    """Return the entry if it is what a journal says of a transfer."""
    _, to_name, from_name, _ = entry
    ends = [
        end_account_name(account_id=move[f"{side}_account"], kind=move[f"{side}_role"]) for side in ("debit", "credit")
    ]
    if not to_name.endswith(f":{ends[0]}") or not from_name.endswith(f":{ends[1]}"):
        return None
    return move["id"], to_name, from_name, int(move["amount_uc"])


def _check_trials(books: Books) -> Iterator[str]:
    for path, trial in ((START_FILE, books.start), (END_FILE, books.end)):
        posted, held_out, held_in = (sum(sums[place] for sums in trial.values()) for place in range(len(SUMS)))
        if posted or held_out != held_in:
            yield f"{path} is not balanced."
    for kind in sorted({*books.start, *books.end, *(kind for kind, _ in books.changes)}):
        start, end = books.start.get(kind, (0, 0, 0)), books.end.get(kind, (0, 0, 0))
        if any(start[place] + books.changes[kind, name] != end[place] for place, name in enumerate(SUMS)):
            yield f"{START_FILE} and the transfers do not lead to {END_FILE} for {kind}."


def _adds_up(report: Mapping[str, Any]) -> bool:
    """Say whether a report's figures follow from each other, and its parts add up to the whole."""
    total = report["total"]
    moved = total["issued_uc"] - total["expired_uc"]
    came_uc = total["granted_uc"] - total["withdrawn_uc"] + total["recovered_uc"] - total["returned_uc"]
    fund_uc = came_uc - moved
    vouchers_uc = moved - total["spent_uc"] + total["given_back_uc"]
    free_uc = vouchers_uc - total["reserved_uc"] - total["held_uc"]
    if (total["fund_uc"], total["vouchers_uc"], total["free_uc"]) != (fund_uc, vouchers_uc, free_uc):
        return False
    names = ("issued_uc", "expired_uc", "spent_uc", "given_back_uc", "reserved_uc", "held_uc")
    return all(
        sum(line[name] for line in report[part]) == total[name]
        for part in ("versions", "organisations")
        for name in names
    )


def _read_trial(pack: ZipFile, path: str) -> Trial:
    return {row["kind"]: read_figures(row, *SUMS) for row in _read_rows(pack, path, TRIAL_COLUMNS)}


def _read_rows(pack: ZipFile, path: str, columns: tuple[str, ...]) -> Iterator[Row]:
    reader = csv.DictReader(_read_lines(pack, path))
    if tuple(reader.fieldnames or ()) != columns:
        raise ValueError(f"{path} has other columns")
    yield from reader


def _read_lines(pack: ZipFile, path: str) -> Iterator[str]:
    with pack.open(path) as member, io.TextIOWrapper(member, encoding="utf-8", newline="\n") as lines:
        yield from lines


def _list_names(pack: ZipFile, folder: str) -> list[str]:
    return sorted(name for name in pack.namelist() if name.startswith(f"{folder}/"))


def _read_amount(text: str) -> int:
    return int(text.replace(".", ""))


def _name(move: Row | None, entry: tuple[str, str, str, int] | None) -> str:
    return move["id"] if move else entry[0] if entry else ""
