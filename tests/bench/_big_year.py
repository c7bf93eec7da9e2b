"""The year of the big hub: patterns stamped from its first day to its last, written in portions, and proven whole."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate
from math import sqrt
from queue import Queue
from random import Random

import psycopg
from django.db import connection
from psycopg import sql

from lilong.common.ids import new_id
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.record.models import POSITION_BITS, Entry, Head, Log, Node, Payload
from lilong.foundation.record.queries.heads import find_open_log
from lilong.foundation.record.queries.trees import read_peaks
from lilong.foundation.record.services.key_files import list_active_keys
from lilong.foundation.record.services.sealing import seal
from lilong.protocol.checkpoint import Checkpoint, SignedNote, encode_base64, sign_log_note
from lilong.protocol.transparency import count_stored, grow_tree
from tests.bench._big_hub import (
    END,
    GROUPS,
    SETTLED,
    TOP_UPS_UC,
    VOUCHER_UC,
    WEIGHTS,
    YEAR,
    Buyer,
    Founding,
    name_seller,
)
from tests.bench._patterns import STAMPED, Pattern, Recorded, list_columns
from tests.pools import NOON
from tests.running_web import database_url

EXPIRED_SHARE = 0.1
DISPUTED_SHARE = 0.01
VOUCHER_CHOICES, VOUCHER_WEIGHTS = (0, 1, 2), (25, 30, 45)
RUNNING_SHARE = 0.7
OPEN_AT_END = 40


class Writer:
    """Writes rows in large portions on a connection of its own, while the next ones are made."""

    ROWS_AT_ONCE = 4_000

    def __init__(self) -> None:
        self._parts: dict[str, list[str]] = {}
        self._columns: dict[str, sql.Composed] = {}
        for model in (*STAMPED, Entry, Payload, Node):
            self._columns[model._meta.db_table] = sql.SQL(", ").join(map(sql.Identifier, list_columns(model)))
        self._queue: Queue[tuple[str, str] | None] = Queue(maxsize=16)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write_all)
        self._thread.start()

    def add(self, table: str, rows: str) -> None:
        """Take rows in PostgreSQL's text form, each with its line end."""
        parts = self._parts.setdefault(table, [])
        parts.append(rows)
        if len(parts) >= self.ROWS_AT_ONCE:
            self._hand_over(table)

    def close(self) -> None:
        """Write the rest; raises what went wrong."""
        for table in list(self._parts):
            self._hand_over(table)
        self._queue.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure

    def _hand_over(self, table: str) -> None:
        if self._failure:
            raise self._failure
        self._queue.put((table, "".join(self._parts.pop(table))))

    def _write_all(self) -> None:
        try:
            with psycopg.connect(database_url()) as link, link.cursor() as cursor:
                # Keys are checked once at the end, all together.
                cursor.execute("SET session_replication_role = replica")
                while (portion := self._queue.get()) is not None:
                    table, rows = portion
                    copy_in = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), self._columns[table])
                    with cursor.copy(copy_in) as copy:
                        copy.write(rows)
                    link.commit()
        except BaseException as error:  # noqa: BLE001 - whoever adds raises it
            self._failure = error
            while self._queue.get() is not None:
                pass


class Sealer:
    """Gives entries of the record their places, as sealing does, with a signed head every thousand entries."""

    EVERY = 1_000

    def __init__(self, writer: Writer) -> None:
        log = find_open_log()
        assert log is not None
        self._log, self._writer = log, writer
        self._waiting: list[Recorded] = []
        self._ready: list[Recorded] = []
        self._peaks: Sequence[bytes] = read_peaks(log=log, size=log.size)

    def add(self, entries: Sequence[Recorded]) -> None:
        for entry in entries:
            heappush(self._waiting, entry)

    def seal(self, *, until: datetime | None) -> None:
        """Seal what was recorded before a moment, all without one."""
        while self._waiting and (until is None or self._waiting[0].recorded_at < until):
            self._ready.append(heappop(self._waiting))
            if len(self._ready) == self.EVERY:
                self._seal_ready()
        if until is None:
            self._seal_ready()

    def _seal_ready(self) -> None:
        log, ready, self._ready = self._log, self._ready, []
        if not ready:
            return
        growth = grow_tree(size=log.size, peaks=self._peaks, leaves=[entry.leaf_hash for entry in ready])
        self._peaks = growth.peaks
        first = (log.number << POSITION_BITS) | count_stored(size=log.size)
        self._writer.add(
            Node._meta.db_table,
            "".join(f"{first + place}\t\\\\x{node.hex()}\n" for place, node in enumerate(growth.hashes)),
        )
        lines = [
            f"{each.id}\t{each.kind}\t{each.recorded_at}\t{each.subject_id}\t{each.organisation_id}\t"
            f"{each.commitment}\t{log.id}\t{index}\n"
            for index, each in enumerate(ready, start=log.size)
        ]
        self._writer.add(Entry._meta.db_table, "".join(lines))
        self._writer.add(
            Payload._meta.db_table, "".join(f"{each.id}\t{each.content}\t\\\\x{each.key}\n" for each in ready)
        )
        now = ready[-1].recorded_at
        body = Checkpoint(origin=log.origin, size=growth.size, root=growth.root).body
        keys = list_active_keys(origin=log.origin, now=now)
        note = SignedNote(body=body, lines=tuple(sign_log_note(body=body, key=key) for key in keys)).text
        Head.objects.create(id=new_id("hed"), log=log, size=growth.size, note=note, signed_at=now)
        log.size = growth.size
        Log.objects.filter(pk=log.pk).update(size=log.size)


@dataclass(slots=True)
class Purse:
    """What a buyer has left, so that nobody spends what is not there."""

    buyer: Buyer
    size: int
    wallet_uc: int
    vouchers_uc: list[int]
    topped_up: int = 0


class Year:
    """Stamps the year: orders of more and more a day, top-ups where a wallet runs low, and what is open at the end."""

    def __init__(self, founding: Founding, *, orders: int, seed: int) -> None:
        self._founding, self._orders = founding, orders
        self._dice = Random(seed)
        self._writer = Writer()
        self._sealer = Sealer(self._writer)
        shares = [1 / (rank + 8) for rank in range(len(founding.buyers))]
        self._rising = list(accumulate(shares))
        per_year = [orders * share / self._rising[-1] for share in shares]
        self._purses = [
            Purse(buyer, 0 if count < 60 else 1 if count < 1_500 else 2, 0, [VOUCHER_UC] * len(buyer.vouchers))
            for buyer, count in zip(founding.buyers, per_year, strict=True)
        ]
        self._sellers = {
            key: [name_seller(seller, key[1]) for seller in sellers] for key, sellers in founding.sellers.items()
        }

    def write(self) -> None:
        """Stamp it all; returns when every row is written."""
        dice = self._dice
        try:
            for number in range(self._orders):
                # Twice as many a day at the end as at the beginning.
                share = sqrt(1 + 3 * (number + dice.random()) / self._orders) - 1
                at = _round(END - YEAR + share * YEAR)
                self._founding.clock.set(at)
                self._sealer.seal(until=at)
                (purse,) = dice.choices(self._purses, cum_weights=self._rising)
                if dice.random() < EXPIRED_SHARE:
                    self._ask(purse, "expired", at - timedelta(minutes=20))
                self._order(purse, at)
            for purse in dice.sample(self._purses, min(OPEN_AT_END, len(self._purses))):
                self._ask(purse, "quoted", _round(END - timedelta(minutes=14 * dice.random())))
                self._top_up(purse, self._founding.top_up_asked, _round(END - timedelta(days=2 * dice.random())))
            self._sealer.seal(until=None)
        finally:
            self._writer.close()

    def _order(self, purse: Purse, at: datetime) -> None:
        """Stamp an order as far as it has come at the end of the year."""
        founding, dice = self._founding, self._dice
        group = dice.randrange(len(GROUPS))
        (vouchers,) = dice.choices(VOUCHER_CHOICES, VOUCHER_WEIGHTS)
        (kind,) = dice.choices(SETTLED, WEIGHTS)
        stretch = founding.stretches[group, vouchers, kind]
        if any(left < spent for left, spent in zip(purse.vouchers_uc, stretch.spent_uc[1:], strict=False)):
            vouchers = 0
            stretch = founding.stretches[group, vouchers, kind]
        while purse.wallet_uc < 5 * stretch.held_uc:
            self._top_up(purse, founding.top_ups[purse.size], _round(at - timedelta(hours=3)))
            purse.wallet_uc += TOP_UPS_UC[purse.size]
        age = END - at
        pattern = stretch.settled
        if age > stretch.released_after:
            assert stretch.released is not None
            pattern = stretch.released
        elif age < timedelta(seconds=stretch.runs_s + 10):
            state = "running" if dice.random() < RUNNING_SHARE else "queued"
            pattern = founding.patterns[group, vouchers, state]
        elif age > timedelta(hours=2) and dice.random() < DISPUTED_SHARE:
            pattern = founding.patterns[group, vouchers, "disputed"]
        wallet_uc, *vouchers_uc = stretch.spent_uc
        purse.wallet_uc -= max(wallet_uc, stretch.held_uc if pattern is not stretch.released else 0)
        for number, spent_uc in enumerate(vouchers_uc):
            purse.vouchers_uc[number] -= spent_uc
        self._stamp(pattern, at, purse.buyer.names | self._pick_sellers(group))

    def _ask(self, purse: Purse, kind: str, at: datetime) -> None:
        group, vouchers = self._dice.randrange(len(GROUPS)), self._dice.choice(VOUCHER_CHOICES)
        names = purse.buyer.names | self._pick_sellers(group)
        self._stamp(self._founding.patterns[group, vouchers, kind], at, names)

    def _top_up(self, purse: Purse, pattern: Pattern, at: datetime) -> None:
        purse.topped_up += 1
        self._stamp(pattern, at, purse.buyer.names | {"reference": f"SYN-{purse.topped_up:05}"})

    def _pick_sellers(self, group: int) -> dict[str, str]:
        picked = [self._dice.choice(self._sellers[group, place]) for place in range(3)]
        return {name: text for names in picked for name, text in names.items()}

    def _stamp(self, pattern: Pattern, at: datetime, names: dict[str, str]) -> None:
        stamped = pattern.stamp(base=at, names=names, dice=self._dice)
        for table, rows in stamped.rows:
            self._writer.add(table, rows)
        self._sealer.add(stamped.entries)


def fill(*, organisations: int, orders: int, seed: int) -> None:
    """Fill a hub that has just been migrated, and prove that it is whole. Prints how long each part took."""
    with _timed("founding and patterns"):
        founding = Founding(organisations=organisations, seed=seed)
        while seal(now=END - YEAR):
            pass
    with _without_indexes(), _timed("the year"):
        year = Year(founding, orders=orders, seed=seed)
        year.write()
    with _timed("sums"), connection.cursor() as cursor:
        cursor.execute(_SUM_UP)
        cursor.execute("DELETE FROM ledger_tail")
        cursor.execute("DELETE FROM supermarket_turnover")
        cursor.execute(
            "INSERT INTO supermarket_turnover (orders, due_uc)"
            " SELECT count(*), sum(due_uc) FROM supermarket_order WHERE settled_at IS NOT NULL"
        )
    with _timed("vacuum"), connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, FREEZE)")
    with _timed("proof"):
        prove()


def prove() -> None:
    """Raise AssertionError unless the books balance, every foreign key is met, and the record has its newest root."""
    report = verify(now=NOON)
    assert report.is_balanced, report.differences[:3]
    with connection.cursor() as cursor:
        cursor.execute(_FOREIGN_KEYS)
        for table, column, other, key in cursor.fetchall():
            query = sql.SQL(
                "SELECT count(*) FROM {table} a WHERE {column} IS NOT NULL"
                " AND NOT EXISTS (SELECT FROM {other} b WHERE b.{key} = a.{column})"
            ).format(
                table=sql.Identifier(table),
                column=sql.Identifier(column),
                other=sql.Identifier(other),
                key=sql.Identifier(key),
            )
            cursor.execute(query)
            assert cursor.fetchone() == (0,), f"{table}.{column} names what is not there"
    log = find_open_log()
    assert log is not None
    assert not Entry.objects.filter(log=None).exists()
    root = grow_tree(
        size=0, peaks=(), leaves=(entry.leaf.hash for entry in Entry.objects.order_by("index").iterator(10_000))
    ).root
    assert Head.objects.get(log=log, size=log.size).note.splitlines()[2] == encode_base64(root)


_SUM_UP = """
UPDATE ledger_account a SET posted_uc = s.posted_uc, pending_out_uc = s.out_uc, pending_in_uc = s.in_uc FROM (
    SELECT id, sum(posted_uc) AS posted_uc, sum(out_uc) AS out_uc, sum(in_uc) AS in_uc FROM (
        SELECT debit_account_id AS id, -CASE kind WHEN 'pend' THEN 0 ELSE amount_uc END AS posted_uc,
            CASE kind WHEN 'pend' THEN amount_uc ELSE -coalesce(held_uc, 0) END AS out_uc, 0 AS in_uc
        FROM ledger_transfer
        UNION ALL
        SELECT credit_account_id, CASE kind WHEN 'pend' THEN 0 ELSE amount_uc END, 0,
            CASE kind WHEN 'pend' THEN amount_uc ELSE -coalesce(held_uc, 0) END
        FROM ledger_transfer
    ) side GROUP BY id
) s WHERE a.id = s.id AND (a.posted_uc, a.pending_out_uc, a.pending_in_uc) <> (s.posted_uc, s.out_uc, s.in_uc)"""
_FOREIGN_KEYS = """
SELECT c.conrelid::regclass::text, a.attname, c.confrelid::regclass::text, b.attname FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
WHERE c.contype = 'f' ORDER BY 1, 2"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
WHERE i.indrelid::regclass::text = ANY(%s)
    AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid) ORDER BY 1"""


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Drop the indexes of what is written, and make them again at the end, which is quicker than to keep them."""
    tables = [model._meta.db_table for model in (*STAMPED, Entry, Payload, Node)]
    with connection.cursor() as cursor:
        cursor.execute(_INDEXES, [tables])
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        yield
        with _timed("indexes"):
            cursor.execute("SET maintenance_work_mem = '512MB'")
            for _, definition in indexes:
                cursor.execute(definition)


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began_s = time.monotonic()
    yield
    print(f"  {what}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)


def _round(moment: datetime) -> datetime:
    """Return a moment to the millisecond, as ids tell it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
