"""Patterns: the rows that one course of events left in the database, to be stamped again for others and other moments.

The events are played once through the services. What a row holds of ids, moments, secrets, hashes and signatures is a
slot of the pattern; a stamp fills all slots anew, so that copies are as whole as the rows that they were made of.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from operator import itemgetter
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from django.db import connection
from django.db.models import Model
from psycopg import sql

from lilong.common import ids
from lilong.common.ids import read_moment
from lilong.foundation.cases.models import Case, CaseOpinion
from lilong.foundation.ledger.models import Account, PayOut, TopUp, Transfer
from lilong.foundation.record.models import Entry
from lilong.foundation.runs.models import Artefact, Attempt, AttemptObject, Candidate, Meter, Run
from lilong.platforms.supermarket.models import Dispute, Order, Quote, Settlement, TimelineEntry
from lilong.platforms.supermarket.queries.quotes import render_quote
from lilong.protocol.evidence import Leaf
from lilong.protocol.signatures import sign_content

STAMPED = (
    *(Account, Transfer, TopUp, PayOut, Case, CaseOpinion, Run, Candidate, Attempt, Meter, AttemptObject, Artefact),
    *(Order, Quote, TimelineEntry, Settlement, Dispute),
)
"""Tables whose rows a pattern keeps as they are, but for the slots. Entries of the record are made anew."""

_SLOT = re.compile(
    r"(?P<id>(?<![0-9a-z])[a-z]{2,5}_[0-9a-f]{32}(?![0-9a-f]))"
    r"|(?P<moment>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:\+00(?::00)?|Z))"
    r"|(?P<hex>(?<![0-9a-wyz_])[0-9a-f]{32,128}(?![0-9a-z_]))"
)
_MILLISECOND = timedelta(milliseconds=1)

Keys = Mapping[type[Model], frozenset[str]]
Rows = Mapping[type[Model], Sequence[str]]


class Seeded:
    """The clock and the dice of new ids: both known in advance. Each id is a millisecond after the one before."""

    def __init__(self, *, seed: int) -> None:
        self._dice = Random(seed)
        self._ns = 0

    def set(self, moment: datetime) -> None:
        """Let ids be made from this moment on."""
        self._ns = int(moment.timestamp() * 1000) * 1_000_000

    def time_ns(self) -> int:
        self._ns += 1_000_000
        return self._ns

    def urandom(self, size: int) -> bytes:
        return self._dice.randbytes(size)

    @contextmanager
    def making_ids(self) -> Iterator[None]:
        """Let ids come from here meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ids, "time", SimpleNamespace(time_ns=self.time_ns))
            patch.setattr(ids, "os", SimpleNamespace(urandom=self.urandom))
            yield


class Recorded(NamedTuple):
    """An entry of the record that is not sealed yet; ordered as sealing orders them."""

    id: str
    kind: str
    recorded_at: datetime
    subject_id: str
    organisation_id: str
    commitment: str
    content: str
    key: str

    @property
    def leaf_hash(self) -> bytes:
        leaf = Leaf(
            kind=self.kind, recorded_at=self.recorded_at, subject_id=self.subject_id, commitment=self.commitment
        )
        return leaf.hash


@dataclass(frozen=True, slots=True)
class Stamped:
    """What one stamp made: rows in PostgreSQL's text form by table, entries of the record, the order's or other id."""

    rows: Sequence[tuple[str, str]]
    entries: Sequence[Recorded]
    subject_id: str


class Text:
    """A text with slots."""

    def __init__(self, text: str, slots: "Slots") -> None:
        places: list[int] = []

        def take(match: re.Match[str]) -> str:
            place = slots.find(match)
            if place is None:
                return match[0]
            places.append(place)
            return "\0"

        self._form, order = _join(_SLOT.sub(take, slots.name(text)), places)
        self._pick: Callable[[Sequence[str]], tuple[str, ...]]
        if len(order) > 1:
            self._pick = itemgetter(*order)
        else:
            self._pick = lambda values: tuple(values[place] for place in order)

    def fill(self, values: Sequence[str]) -> str:
        return self._form % self._pick(values)


def _join(text: str, places: Sequence[int]) -> tuple[str, list[int]]:
    """Return a form for `%` and the places that it takes, in the order of the text."""
    rest = iter(places)
    order: list[int] = []

    def take(match: re.Match[str]) -> str:
        order.append(next(rest) if match[0] == "\0" else int(match[1]))
        return "%s"

    return re.sub("\0|\1(\\d+)\2", take, text.replace("%", "%%")), order


class Slots:
    """The slots of one pattern, each with its place among the values of a stamp."""

    def __init__(
        self, *, base: datetime, names: Mapping[str, str], own: frozenset[str], secrets: frozenset[str]
    ) -> None:
        """names: texts that each stamp is told, by the name of the slot; own: ids; secrets: hexadecimal words."""
        self._base = base
        self._own = own
        self._secrets = secrets
        self.places: dict[tuple[str, object], int] = {}
        self._names = {text: name for name, text in names.items()}
        self._named = re.compile("|".join(re.escape(text) for text in sorted(self._names, key=len, reverse=True)))
        for name in names:
            self._place("name", name)
        self.computed: dict[str, str] = {}

    def name(self, text: str) -> str:
        """Mark where a text holds what each stamp is told."""
        return self._named.sub(lambda match: f"\1{self.places['name', self._names[match[0]]]}\2", text)

    def compute(self, name: str, value: str) -> int:
        """Take a value for one that every stamp works out; return its place."""
        self.computed[value] = name
        return self._place("computed", name)

    def find(self, match: re.Match[str]) -> int | None:
        """Return the place of what was matched; None for what is the same in every stamp."""
        text = match[0]
        if text in self.computed:
            return self._place("computed", self.computed[text])
        if match["id"]:
            offset = (read_moment(text) - self._base) // _MILLISECOND
            return self._place("id", (text.partition("_")[0], offset, text)) if text in self._own else None
        if match["moment"]:
            moment = datetime.fromisoformat(text)
            return self._place("moment", (moment - self._base, "T" in text))
        return self._place("secret", (len(text), text)) if text in self._secrets else None

    def list_places(self, kind: str) -> list[tuple[Any, int]]:
        """Return what is known of each slot of a kind, and its place."""
        return [(what, place) for (of_kind, what), place in self.places.items() if of_kind == kind]

    def _place(self, kind: str, what: object) -> int:
        return self.places.setdefault((kind, what), len(self.places))


class Pattern:
    """The rows of one course of events, ready to be stamped.

    base: the moment that stamps move. names: ids and texts that each stamp is told, by the name of their slot.
    """

    def __init__(self, *, rows: Keys, base: datetime, names: Mapping[str, str], seed: bytes) -> None:
        entries = list(Entry.objects.filter(pk__in=rows[Entry]).select_related("payload").order_by("pk"))
        quotes = list(Quote.objects.filter(pk__in=rows[Quote]).select_related("order"))
        settlements = list(Settlement.objects.filter(pk__in=rows[Settlement]))
        attempts = Attempt.objects.filter(pk__in=rows[Attempt]).values_list("token", "nonce")
        assert len([*rows[Order], *rows[TopUp], *rows[PayOut]]) == 1, "A pattern is about one thing."
        assert len({key.partition(".")[0] for key in rows[Transfer]}) <= 1
        own = frozenset(key.partition(".")[0] for keys in rows.values() for key in keys)
        secrets = frozenset(word for pair in attempts for word in pair)
        slots = Slots(base=base, names=names, own=own, secrets=secrets)
        self._key_seed = seed
        self._names = list(names)
        # In this order: a quote is signed, then hashed with its signature; payloads name the hashes.
        self._steps: list[tuple[int, Text, Callable[[str], str]]] = []
        for quote in quotes:
            signature = slots.compute("signature", quote.signature)
            self._steps.append((signature, Text(quote.document, slots), self._sign))
            text = render_quote(quote=quote).decode()
            self._steps.append((slots.compute("quote_sha256", _hash(text)), Text(text, slots), _hash))
        for settlement in settlements:
            for name in ("transfers_csv", "usage_csv"):
                text = getattr(settlement, name)
                self._steps.append((slots.compute(name, _hash(text)), Text(text, slots), _hash))
        self._entries = [
            Text("\3".join((each.pk, _tell(each.recorded_at), each.subject_id, each.organisation_id)), slots)
            for each in entries
        ]
        self._kinds = [each.kind for each in entries]
        self._payloads = [Text(each.payload.content, slots) for each in entries]
        self._tables = [
            (model._meta.db_table, Text("\n".join(read_rows(model, rows[model])) + "\n", slots))
            for model in STAMPED
            if rows[model]
        ]
        self._subject = Text(next(iter([*rows[Order], *rows[TopUp], *rows[PayOut]])), slots)
        self._ids = [(place, *what) for what, place in slots.list_places("id")]
        self._moments = [(place, *what) for what, place in slots.list_places("moment")]
        self._secrets = [(place, length) for (length, _), place in slots.list_places("secret")]
        self._size = len(slots.places)

    def stamp(self, *, base: datetime, names: Mapping[str, str], dice: Random) -> Stamped:
        """Return the same events for others, begun at another moment; base: to the millisecond."""
        values = [names[name] for name in self._names] + [""] * (self._size - len(self._names))
        base_ms = round(base.timestamp() * 1000)
        bits = 72 * len(self._ids) + sum(4 * length for _, length in self._secrets) + 256 * len(self._entries)
        noise, at = f"{dice.getrandbits(bits):0{bits // 4}x}", 0
        for place, prefix, offset, _ in self._ids:
            values[place] = f"{prefix}_{base_ms + offset:012x}7{noise[at : at + 3]}8{noise[at + 3 : at + 18]}"
            at += 18
        for place, length in self._secrets:
            values[place] = noise[at : at + length]
            at += length
        for place, offset, is_iso in self._moments:
            values[place] = _tell(base + offset) if is_iso else f"{base + offset}"
        for place, text, work in self._steps:
            values[place] = work(text.fill(values))
        entries: list[Recorded] = []
        for kind, entry, payload in zip(self._kinds, self._entries, self._payloads, strict=True):
            entry_id, recorded_at, subject_id, organisation_id = entry.fill(values).split("\3")
            content, key = payload.fill(values), noise[at : at + 64]
            at += 64
            commitment = hmac.digest(bytes.fromhex(key), content.encode(), "sha256").hex()
            moment = datetime.fromisoformat(recorded_at)
            entries.append(Recorded(entry_id, kind, moment, subject_id, organisation_id, commitment, content, key))
        rows = [(table, text.fill(values)) for table, text in self._tables]
        return Stamped(rows=rows, entries=entries, subject_id=self._subject.fill(values))

    def _sign(self, content: str) -> str:
        return sign_content(content=content.encode(), seed=self._key_seed)


def list_keys() -> Keys:
    """Return the primary keys of all rows that patterns may be made of."""
    managers = {model: model._default_manager for model in (*STAMPED, Entry)}  # noqa: SLF001 - of any model
    return {model: frozenset(manager.values_list("pk", flat=True)) for model, manager in managers.items()}


def subtract(after: Keys, before: Keys) -> Keys:
    """Return the rows that are new."""
    return {model: keys - before[model] for model, keys in after.items()}


def about(keys: Keys, *, ids: Iterable[str]) -> Keys:
    """Keep the rows that name one of these ids."""
    words = re.compile("|".join(map(re.escape, ids)))
    found = {model: frozenset(_list_naming(model, mine, words)) for model, mine in keys.items()}
    return found | {Entry: keys[Entry] & found[Entry]}


def unite(first: Keys, second: Keys) -> Keys:
    """Return the rows of both."""
    return {model: keys | second[model] for model, keys in first.items()}


def list_columns(model: type[Model]) -> list[str]:
    """Return the columns of a table in the order in which rows are read and written here."""
    return [str(field.column) for field in model._meta.concrete_fields]


def find_key_place(model: type[Model]) -> int:
    """Return where among them the primary key stands."""
    return [field.primary_key for field in model._meta.concrete_fields].index(True)


def read_rows(model: type[Model], keys: Iterable[str]) -> list[str]:
    """Return rows in PostgreSQL's text form, in the order of their keys."""
    columns = list_columns(model)
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {key} = ANY({}) ORDER BY {key}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(model._meta.db_table),
        sql.Literal(sorted(keys)),
        key=sql.Identifier(columns[find_key_place(model)]),
    )
    connection.ensure_connection()
    with connection.connection.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(map(bytes, copy)).decode().splitlines()


def _list_naming(model: type[Model], keys: frozenset[str], words: re.Pattern[str]) -> list[str]:
    place = find_key_place(model)
    return [row.split("\t")[place] for row in read_rows(model, keys) if words.search(row)] if keys else []


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _tell(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
