"""The ledger's SQL: static, parameterised, here alone, because the ORM is several times slower for it.

Both databases take the same three JSON documents: account changes, tail rows and transfers. PostgreSQL locks, checks
and writes in one statement; SQLite needs four, in a transaction that holds the write lock from its first moment on.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from django.db import DEFAULT_DB_ALIAS, connection, connections

from lilong.foundation.ledger.core.accounts import Account, AccountKind
from lilong.foundation.ledger.core.posting import Change, Known
from lilong.foundation.ledger.core.transfers import Entry, Transfer, TransferKind

_KNOWN_ACCOUNTS = {
    "postgresql": """
        SELECT id, kind, owner_id, purpose, restriction FROM ledger_account WHERE id = ANY(%(ids)s::text[])""",
    "sqlite": """
        SELECT id, kind, owner_id, purpose, restriction FROM ledger_account
        WHERE id IN (SELECT value FROM json_each(%(ids)s))""",
}
_ENTRY_COLUMNS = """SELECT id, kind, debit_account_id, credit_account_id, amount_uc, code, subject, effective_at,
        pending_id, corrects_id, group_id, held_uc FROM ledger_transfer"""
_KNOWN_ENTRIES = {
    "postgresql": f"""
        {_ENTRY_COLUMNS} WHERE id = ANY(%(ids)s::text[])
        UNION ALL {_ENTRY_COLUMNS} WHERE pending_id = ANY(%(holds)s::text[]) AND pending_id IS NOT NULL""",
    "sqlite": f"""
        {_ENTRY_COLUMNS} WHERE id IN (SELECT value FROM json_each(%(ids)s))
        UNION ALL {_ENTRY_COLUMNS} WHERE pending_id IN (SELECT value FROM json_each(%(holds)s))
            AND pending_id IS NOT NULL""",
}

_POST_POSTGRESQL = """
WITH change AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(changes)s::json)
        AS c(id text, posted_uc bigint, pending_out_uc bigint, pending_in_uc bigint, taking_uc bigint)
), locked AS MATERIALIZED (
    SELECT id, floor_uc, posted_uc - pending_out_uc AS available_uc FROM ledger_account
    WHERE id = ANY(ARRAY(SELECT id FROM change)) ORDER BY id FOR NO KEY UPDATE
), refused AS MATERIALIZED (
    SELECT l.id, l.available_uc, NULL::timestamptz AS closed_until
    FROM change c JOIN locked l USING (id) WHERE l.available_uc + c.taking_uc < l.floor_uc
    UNION ALL
    SELECT '', 0, max(ends_at) FROM ledger_period HAVING max(ends_at) > %(earliest)s::timestamptz
), changed AS (
    UPDATE ledger_account a SET posted_uc = a.posted_uc + c.posted_uc,
        pending_out_uc = a.pending_out_uc + c.pending_out_uc, pending_in_uc = a.pending_in_uc + c.pending_in_uc
    FROM change c
    WHERE a.id = c.id AND a.id = ANY(ARRAY(SELECT id FROM locked)) AND NOT EXISTS (SELECT FROM refused)
), tail AS (
    INSERT INTO ledger_tail (account_id, posted_uc, pending_out_uc, pending_in_uc)
    SELECT * FROM json_to_recordset(%(tail)s::json)
        AS t(id text, posted_uc bigint, pending_out_uc bigint, pending_in_uc bigint)
    WHERE NOT EXISTS (SELECT FROM refused)
), added AS (
    INSERT INTO ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_uc, code, subject, effective_at,
        pending_id, corrects_id, group_id, held_uc, recorded_at)
    SELECT t.*, %(now)s::timestamptz FROM json_to_recordset(%(entries)s::json) AS t(id text, kind text, debit text,
        credit text, amount_uc bigint, code text, subject text, effective_at timestamptz, pending_id text,
        corrects_id text, group_id text, held_uc bigint)
    WHERE NOT EXISTS (SELECT FROM refused)
)
SELECT id, available_uc, closed_until FROM refused"""

_REFUSED_SQLITE = """
SELECT a.id, a.posted_uc - a.pending_out_uc, NULL FROM json_each(%(changes)s) c
JOIN ledger_account a ON a.id = c.value ->> 'id'
WHERE a.posted_uc - a.pending_out_uc + (c.value ->> 'taking_uc') < a.floor_uc
UNION ALL
SELECT '', 0, ends_at FROM (SELECT max(ends_at) AS ends_at FROM ledger_period) WHERE ends_at > %(earliest)s"""
_CHANGE_SQLITE = """
UPDATE ledger_account SET posted_uc = posted_uc + (c.value ->> 'posted_uc'),
    pending_out_uc = pending_out_uc + (c.value ->> 'pending_out_uc'),
    pending_in_uc = pending_in_uc + (c.value ->> 'pending_in_uc')
FROM json_each(%(changes)s) c WHERE ledger_account.id = c.value ->> 'id'"""
_TAIL_SQLITE = """
INSERT INTO ledger_tail (account_id, posted_uc, pending_out_uc, pending_in_uc)
SELECT value ->> 'id', value ->> 'posted_uc', value ->> 'pending_out_uc', value ->> 'pending_in_uc'
FROM json_each(%(tail)s)"""
_ADD_SQLITE = """
INSERT INTO ledger_transfer (id, kind, debit_account_id, credit_account_id, amount_uc, code, subject, effective_at,
    pending_id, corrects_id, group_id, held_uc, recorded_at)
SELECT value ->> 'id', value ->> 'kind', value ->> 'debit', value ->> 'credit', value ->> 'amount_uc',
    value ->> 'code', value ->> 'subject', value ->> 'effective_at', value ->> 'pending_id', value ->> 'corrects_id',
    value ->> 'group_id', value ->> 'held_uc', %(now)s
FROM json_each(%(entries)s)"""

_STORED = """
SELECT a.id, CAST(a.posted_uc + coalesce(sum(t.posted_uc), 0) AS bigint) AS posted_uc,
    CAST(a.pending_out_uc + coalesce(sum(t.pending_out_uc), 0) AS bigint) AS pending_out_uc,
    CAST(a.pending_in_uc + coalesce(sum(t.pending_in_uc), 0) AS bigint) AS pending_in_uc
FROM ledger_account a LEFT JOIN ledger_tail t ON t.account_id = a.id AND a.floor_uc IS NULL"""
_MOVED = "CASE kind WHEN 'pend' THEN 0 ELSE amount_uc END"
_PENDED = "CASE kind WHEN 'pend' THEN amount_uc ELSE -coalesce(held_uc, 0) END"
_ID_IN = {"postgresql": "= ANY(%(ids)s::text[])", "sqlite": "IN (SELECT value FROM json_each(%(ids)s))"}


def _recomputed(where_debit: str, where_credit: str) -> str:
    """Return the statement that sums transfers by account; it is called while this module is read, with constants."""
    return f"""
SELECT id, CAST(sum(posted_uc) AS bigint) AS posted_uc, CAST(sum(pending_out_uc) AS bigint) AS pending_out_uc,
    CAST(sum(pending_in_uc) AS bigint) AS pending_in_uc
FROM (
    SELECT debit_account_id AS id, -{_MOVED} AS posted_uc, {_PENDED} AS pending_out_uc, 0 AS pending_in_uc
    FROM ledger_transfer WHERE {where_debit}
    UNION ALL
    SELECT credit_account_id, {_MOVED}, 0, {_PENDED} FROM ledger_transfer WHERE {where_credit}
) AS side GROUP BY id"""


_WITHIN = "effective_at >= %(begin)s AND effective_at < %(end)s"
_SINCE = "effective_at >= %(end)s"
_SUMS = {vendor: f"{_STORED} WHERE a.id {id_in} GROUP BY a.id" for vendor, id_in in _ID_IN.items()}
_SUMS_OF_WITHIN = {
    vendor: _recomputed(f"debit_account_id {id_in} AND {_WITHIN}", f"credit_account_id {id_in} AND {_WITHIN}")
    for vendor, id_in in _ID_IN.items()
}
_SUMS_BEFORE = {
    vendor: f"""
SELECT id, CAST(sum(posted_uc) AS bigint), CAST(sum(pending_out_uc) AS bigint), CAST(sum(pending_in_uc) AS bigint)
FROM (
    {_STORED} WHERE a.id {id_in} GROUP BY a.id
    UNION ALL
    SELECT id, -posted_uc, -pending_out_uc, -pending_in_uc FROM (
        {_recomputed(f"debit_account_id {id_in} AND {_SINCE}", f"credit_account_id {id_in} AND {_SINCE}")}
    ) AS later
) AS known GROUP BY id"""
    for vendor, id_in in _ID_IN.items()
}
_SUMS_WITHIN = _recomputed(_WITHIN, _WITHIN)
_WRONG_SUMS = f"""
WITH stored AS ({_STORED} GROUP BY a.id), recomputed AS ({_recomputed("1 = 1", "1 = 1")})
SELECT s.id, s.posted_uc, s.pending_out_uc, s.pending_in_uc, coalesce(r.posted_uc, 0),
    coalesce(r.pending_out_uc, 0), coalesce(r.pending_in_uc, 0)
FROM stored s LEFT JOIN recomputed r ON r.id = s.id
WHERE s.posted_uc <> coalesce(r.posted_uc, 0) OR s.pending_out_uc <> coalesce(r.pending_out_uc, 0)
    OR s.pending_in_uc <> coalesce(r.pending_in_uc, 0)
ORDER BY s.id"""
_WRONG_HOLDS = """
SELECT r.id FROM ledger_transfer r JOIN ledger_transfer p ON p.id = r.pending_id
WHERE p.kind <> 'pend' OR r.held_uc <> p.amount_uc OR r.debit_account_id <> p.debit_account_id
    OR r.credit_account_id <> p.credit_account_id
ORDER BY r.id"""
_SUMS_BY_KIND = f"""
SELECT a.kind, count(*), CAST(sum(s.posted_uc) AS bigint), CAST(sum(s.pending_out_uc) AS bigint),
    CAST(sum(s.pending_in_uc) AS bigint)
FROM ({_STORED} GROUP BY a.id) s JOIN ledger_account a ON a.id = s.id GROUP BY a.kind"""
_LOCK_TRANSFERS = "LOCK TABLE ledger_transfer IN SHARE MODE"
_LOCK_TAIL = "LOCK TABLE ledger_tail IN SHARE UPDATE EXCLUSIVE MODE"  # keeps out others who roll up, not who posts
_TAIL_SUMS = """SELECT account_id AS id, sum(posted_uc) AS posted_uc, sum(pending_out_uc) AS pending_out_uc,
        sum(pending_in_uc) AS pending_in_uc FROM"""
_ROLL_UP_CHANGE = """UPDATE ledger_account SET posted_uc = ledger_account.posted_uc + s.posted_uc,
        pending_out_uc = ledger_account.pending_out_uc + s.pending_out_uc,
        pending_in_uc = ledger_account.pending_in_uc + s.pending_in_uc"""
_OLDEST_TAIL = "SELECT id FROM ledger_tail ORDER BY id LIMIT %(limit)s"
_ROLL_UP_MEASURE = {
    "postgresql": f"""
WITH gone AS (
    DELETE FROM ledger_tail WHERE id = ANY(ARRAY({_OLDEST_TAIL})) RETURNING *
), locked AS MATERIALIZED (
    SELECT id FROM ledger_account WHERE id IN (SELECT account_id FROM gone) ORDER BY id FOR NO KEY UPDATE
), changed AS (
    {_ROLL_UP_CHANGE}
    FROM ({_TAIL_SUMS} gone GROUP BY account_id) s
    WHERE ledger_account.id = s.id AND ledger_account.id IN (SELECT id FROM locked)
)
SELECT count(*) FROM gone""",
    "sqlite": f"SELECT count(*) FROM ({_OLDEST_TAIL})",
}
_ROLL_UP_SQLITE = (
    f"""{_ROLL_UP_CHANGE}
    FROM ({_TAIL_SUMS} ledger_tail WHERE id IN ({_OLDEST_TAIL}) GROUP BY account_id) s
    WHERE ledger_account.id = s.id""",
    f"DELETE FROM ledger_tail WHERE id IN ({_OLDEST_TAIL})",
)

ACCOUNTS_REMEMBERED = 100_000
# What is read of an account never changes (a trigger sees to that), so it is read once per process.
_accounts_read: dict[str, Account] = {}


@dataclass(frozen=True, slots=True)
class Refused:
    """One reason for which nothing was written.

    account_id: of a floored account that has only `available_uc`, read under its lock;
    closed_until: end of the closed books, when a transfer would count for a moment before it.
    """

    account_id: str
    available_uc: int
    closed_until: datetime | None


def load_known(*, account_ids: Iterable[str], transfer_ids: Iterable[str], hold_ids: Iterable[str]) -> Known:
    """Return what the books say about these ids, resolutions of the holds included. At most two queries."""
    wanted, entry_ids = set(account_ids), list(transfer_ids)
    unread = wanted - _accounts_read.keys()
    if unread:
        if len(_accounts_read) > ACCOUNTS_REMEMBERED:
            _accounts_read.clear()
            unread = wanted
        for row in _run(_KNOWN_ACCOUNTS[connection.vendor], {"ids": _ids(unread)}):
            _accounts_read[row[0]] = Account(
                id=row[0], kind=AccountKind(row[1]), owner_id=row[2], purpose=row[3], restriction=row[4]
            )
    accounts = {key: account for key in wanted if (account := _accounts_read.get(key))}
    if not entry_ids:
        return Known(accounts=accounts, entries={}, resolved_by={})
    # For an empty list PostgreSQL would plan to read the whole table; no hold has an empty id.
    holds = list(hold_ids) or [""]
    rows = _run(_KNOWN_ENTRIES[connection.vendor], {"ids": _ids(entry_ids), "holds": _ids(holds)})
    entries = [_read_entry(row) for row in rows]
    return Known(
        accounts=accounts,
        entries={entry.transfer.id: entry for entry in entries},
        resolved_by={entry.transfer.pending_id: entry.transfer.id for entry in entries if entry.transfer.pending_id},
    )


def write_entries(
    *,
    entries: Sequence[Entry],
    changes: Mapping[str, Change],
    takings: Mapping[str, int],
    floored: frozenset[str],
    now: datetime,
) -> list[Refused]:
    """Write the transfers and what they change, all or nothing; return why not, or an empty list.

    changes: per account, ascending by id; takings: what each account must be able to bear (see `sum_takings`).
    Accounts in `floored` are locked in that order and updated; of others a row of the tail is written, no lock taken.
    Raises IntegrityError when another transaction has used an id or resolved a hold meanwhile.
    """
    is_postgresql = connection.vendor == "postgresql"
    rows = {account_id: {"id": account_id, **_sums(change)} for account_id, change in changes.items()}
    parameters = {
        "changes": json.dumps([row | {"taking_uc": takings[key]} for key, row in rows.items() if key in floored]),
        "tail": json.dumps([row for key, row in rows.items() if key not in floored]),
        "entries": json.dumps([_entry_row(entry) for entry in entries]),
        "earliest": _moment(min(entry.transfer.effective_at for entry in entries)),
        "now": _moment(now),
    }
    if is_postgresql:
        return [Refused(*row) for row in _run(_POST_POSTGRESQL, parameters)]
    refused = _run(_REFUSED_SQLITE, parameters)
    if not refused:
        for statement in (_CHANGE_SQLITE, _TAIL_SQLITE, _ADD_SQLITE):
            _run(statement, parameters)
    return [Refused(row[0], row[1], _read_moment(row[2])) for row in refused]


def read_sums(*, account_ids: Iterable[str]) -> dict[str, Change]:
    """Return the sums of these accounts, tail included, as they are now. One query."""
    return _read_changes(_run(_SUMS[connection.vendor], {"ids": _ids(account_ids)}))


def sum_transfers(*, account_ids: Iterable[str] | None, begin: datetime, end: datetime) -> dict[str, Change]:
    """Return what transfers that count for `begin` up to, not including, `end` change; None asks for all accounts.

    One query. Cost: linear in these transfers of these accounts.
    """
    span = {"begin": _moment(begin), "end": _moment(end)}
    if account_ids is None:
        return _read_changes(_run(_SUMS_WITHIN, span))
    return _read_changes(_run(_SUMS_OF_WITHIN[connection.vendor], {"ids": _ids(account_ids), **span}))


def read_sums_before(*, account_ids: Iterable[str], end: datetime) -> dict[str, Change]:
    """Return the sums that these accounts had before a moment: those of now less what counts from then on.

    One query, hence one consistent view. Cost: linear in their transfers since that moment.
    """
    return _read_changes(_run(_SUMS_BEFORE[connection.vendor], {"ids": _ids(account_ids), "end": _moment(end)}))


def sum_by_kind() -> dict[str, tuple[int, Change]]:
    """Return, by kind, how many accounts there are and the sums of all of them, tail included. One query."""
    return {row[0]: (row[1], Change(*row[2:5])) for row in _run(_SUMS_BY_KIND, {})}


def find_wrong_sums() -> list[tuple[str, Change, Change]]:
    """Return the accounts whose sums are not those of their transfers: id, stored, recomputed.

    One query, hence one consistent view. Cost: linear in all transfers.
    """
    return [(row[0], Change(*row[1:4]), Change(*row[4:7])) for row in _run(_WRONG_SUMS, {})]


def find_wrong_holds() -> list[str]:
    """Return the resolutions that differ from their hold in accounts or amount held. One query."""
    return [row[0] for row in _run(_WRONG_HOLDS, {})]


def wait_for_writers() -> None:
    """Keep others from posting until the transaction ends, once those who are at it have finished.

    On SQLite the transaction has the write lock anyway.
    """
    if connection.vendor == "postgresql":
        _run(_LOCK_TRANSFERS, {})


def roll_up_tail(*, limit: int) -> int:
    """Move up to `limit` rows of the tail into their accounts' sums; return how many. Needs a transaction."""
    if connection.vendor == "postgresql":
        _run(_LOCK_TAIL, {})
    moved: int = _run(_ROLL_UP_MEASURE[connection.vendor], {"limit": limit})[0][0]
    if moved and connection.vendor == "sqlite":
        for statement in _ROLL_UP_SQLITE:
            _run(statement, {"limit": limit})
    return moved


def _run(statement: str, parameters: Mapping[str, Any]) -> list[Any]:
    """Execute and return the rows, none for a statement that yields none.

    On PostgreSQL parameters are bound by the server and the plan is kept.
    """
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cast("list[Any]", cursor.fetchall())
    database: Any = connections[DEFAULT_DB_ALIAS]  # once: each look through the proxy `connection` costs
    database.ensure_connection()
    with database.wrap_database_errors, database.Database.Cursor(database.connection) as cursor:
        cursor.execute(statement, parameters, prepare=True)
        # Its `description` would be built anew for the question alone whether there are rows.
        return cast("list[Any]", cursor.fetchall() if cursor.pgresult.nfields else [])


def _read_changes(rows: Iterable[Any]) -> dict[str, Change]:
    return {row[0]: Change(posted_uc=row[1], pending_out_uc=row[2], pending_in_uc=row[3]) for row in rows}


def _ids(ids: Iterable[str]) -> list[str] | str:
    return list(ids) if connection.vendor == "postgresql" else json.dumps(list(ids))


def _moment(moment: datetime) -> str:
    """Return the text under which Django stores a moment in SQLite, which PostgreSQL reads as well with its offset."""
    text = str(moment.astimezone(UTC).replace(tzinfo=None))
    return f"{text}+00" if connection.vendor == "postgresql" else text


def _read_moment(value: datetime | str | None) -> datetime | None:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value


def _sums(change: Change) -> dict[str, int]:
    return {
        "posted_uc": change.posted_uc,
        "pending_out_uc": change.pending_out_uc,
        "pending_in_uc": change.pending_in_uc,
    }


def _entry_row(entry: Entry) -> dict[str, str | int | None]:
    transfer = entry.transfer
    return {
        "id": transfer.id,
        "kind": transfer.kind,
        "debit": transfer.debit_account,
        "credit": transfer.credit_account,
        "amount_uc": transfer.amount_uc,
        "code": transfer.code,
        "subject": transfer.subject,
        "effective_at": _moment(transfer.effective_at),
        "pending_id": transfer.pending_id,
        "corrects_id": transfer.corrects,
        "group_id": entry.group_id,
        "held_uc": entry.held_uc,
    }


def _read_entry(row: tuple[Any, ...]) -> Entry:
    transfer = Transfer(
        id=row[0],
        kind=TransferKind(row[1]),
        debit_account=row[2],
        credit_account=row[3],
        amount_uc=row[4],
        code=row[5],
        subject=row[6],
        effective_at=cast("datetime", _read_moment(row[7])),
        pending_id=row[8],
        corrects=row[9],
    )
    return Entry(transfer=transfer, group_id=row[10], held_uc=row[11])
