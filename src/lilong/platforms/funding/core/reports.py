"""What became of a programme's money until a moment, added up from transfers: in all, by rule, by member, by month.

Every transfer on the fund and on a voucher falls into one figure by where the money came from or went to, so that
granted + recovered less returned = withdrawn + left in the fund + spent less given back + left on vouchers. A fund pays
into its own vouchers alone, and gets money back of them, and of wallets from which it is asked back.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import Enum

from lilong.common.canonical import Json, canonical_json
from lilong.common.spreadsheets import guard_text, write_rows
from lilong.common.time import format_moment
from lilong.platforms.funding.core.deciding import Code

FORM = "lilong.programme_report.1"
RESERVE = "reserve"
"""Code of the holds that quotes make; those of orders have others."""


@dataclass(frozen=True, slots=True)
class Flows:
    """What moved until a moment, and what was held at it; all figures from zero on.

    granted_uc, withdrawn_uc: into and out of the fund, members aside; recovered_uc, returned_uc: into it from wallets
    of whom voucher money was asked back, and back to them; issued_uc: from the fund to vouchers; expired_uc: back from
    them; spent_uc: from vouchers for orders; given_back_uc: back to them by corrections;
    reserved_uc: held by quotes; held_uc: held by orders.
    """

    granted_uc: int = 0
    withdrawn_uc: int = 0
    recovered_uc: int = 0
    returned_uc: int = 0
    issued_uc: int = 0
    expired_uc: int = 0
    spent_uc: int = 0
    given_back_uc: int = 0
    reserved_uc: int = 0
    held_uc: int = 0

    @property
    def fund_uc(self) -> int:
        """What is left in the fund."""
        came_uc = self.granted_uc - self.withdrawn_uc + self.recovered_uc - self.returned_uc
        return came_uc - self.issued_uc + self.expired_uc

    @property
    def vouchers_uc(self) -> int:
        """What is left on vouchers, reserved and held included."""
        return self.issued_uc - self.expired_uc - self.spent_uc + self.given_back_uc

    @property
    def pending_uc(self) -> int:
        """What is reserved or held of it."""
        return self.reserved_uc + self.held_uc

    @property
    def free_uc(self) -> int:
        """What is left on vouchers and neither reserved nor held."""
        return self.vouchers_uc - self.pending_uc

    def __add__(self, other: "Flows") -> "Flows":
        mine, theirs = asdict(self), asdict(other)
        return Flows(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def document(self) -> dict[str, Json]:
        """Return all figures by name."""
        left = {"fund_uc": self.fund_uc, "vouchers_uc": self.vouchers_uc, "free_uc": self.free_uc}
        return {**asdict(self), **left}


class Side(Enum):
    """Where money of a fund or voucher comes from or goes to.

    INNER: the other one of the two, a voucher for the fund and the fund for a voucher.
    """

    INNER = "inner"
    WALLET = "wallet"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Move:
    """What entered (above zero) or left the fund or a voucher in a month. voucher_id: empty for the fund."""

    voucher_id: str
    month: date
    side: Side
    change_uc: int


@dataclass(frozen=True, slots=True)
class Held:
    """What open holds with a code hold of a voucher."""

    voucher_id: str
    code: str
    held_uc: int


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the rule that was published until then."""

    number: int
    sha256: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """A voucher that was issued until then, to whom and under which version of the rule."""

    voucher_id: str
    organisation_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal by a version of the rule: of a voucher that was asked for, or by_quote, to pay on all its offers."""

    version: int
    code: str
    by_quote: bool


@dataclass(frozen=True, slots=True)
class Line:
    """The vouchers of one version or of one member: how many, of how many members, and what became of their money."""

    vouchers: int = 0
    members: int = 0
    flows: Flows = field(default_factory=Flows)


@dataclass(frozen=True, slots=True)
class Refused:
    """How often a clause of a version refused a voucher, and how many quotes it kept one out of."""

    applications: int = 0
    quotes: int = 0

    def __add__(self, other: "Refused") -> "Refused":
        return Refused(self.applications + other.applications, self.quotes + other.quotes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeReport:
    """A programme as of a moment. months: what moved in each, so nothing of holds; refused: by version and code."""

    programme_id: str
    name: str
    at: datetime
    total: Line
    versions: Mapping[int, Line]
    published: Sequence[Version]
    organisations: Mapping[str, Line]
    months: Mapping[date, Flows]
    refused: Mapping[tuple[int, str], Refused]

    @property
    def related(self) -> Refused:
        """Refusals because member and provider are related parties."""
        return sum((each for (_, code), each in self.refused.items() if code == Code.RELATED_PARTY), Refused())

    @property
    def document(self) -> dict[str, Json]:
        """Return the report as JSON: equal books have equal documents."""
        return {
            "form": FORM,
            "programme_id": self.programme_id,
            "name": self.name,
            "at": format_moment(self.at),
            "total": _write(self.total),
            "versions": [
                {
                    "version": each.number,
                    "sha256": each.sha256,
                    "published_at": format_moment(each.published_at),
                    **_write(self.versions.get(each.number, Line())),
                }
                for each in self.published
            ],
            "organisations": [
                {"organisation_id": each, **_write(line)} for each, line in sorted(self.organisations.items())
            ],
            "months": [{"month": f"{month:%Y-%m}", **flows.document} for month, flows in sorted(self.months.items())],
            "refused": [
                {"version": version, "code": code, **asdict(each)}
                for (version, code), each in sorted(self.refused.items())
            ],
            "related_parties": asdict(self.related),
        }

    @property
    def content(self) -> bytes:
        """Return the document in its one byte form."""
        return canonical_json(self.document)

    def list_rows(self) -> Iterator[bytes]:
        """Yield the report as CSV: a line for each part, told apart by the first two columns."""
        figures = list(Flows().document)
        yield from write_rows([["part", "name", "vouchers", "members", *figures, "applications", "quotes"]])
        for part, name, line in [
            ("total", guard_text(self.name), self.total),
            *(("version", str(each.number), self.versions.get(each.number, Line())) for each in self.published),
            *(("organisation", each, line) for each, line in sorted(self.organisations.items())),
            *(("month", f"{month:%Y-%m}", Line(flows=flows)) for month, flows in sorted(self.months.items())),
        ]:
            counts = ["", ""] if part == "month" else [line.vouchers, line.members]
            yield from write_rows([[part, name, *counts, *_list_figures(line.flows), "", ""]])
        for (version, code), each in sorted(self.refused.items()):
            blank = [""] * (2 + len(figures))
            yield from write_rows([["refused", f"{version} {code}", *blank, each.applications, each.quotes]])


def build_report(
    *,
    programme_id: str,
    name: str,
    at: datetime,
    published: Sequence[Version],
    vouchers: Iterable[Issued],
    moves: Iterable[Move],
    held: Iterable[Held],
    refusals: Iterable[Refusal],
) -> ProgrammeReport:
    """Add up what is known of a programme until `at`; moves and holds name vouchers that are among `vouchers`.

    >>> from datetime import UTC
    >>> march = date(2026, 3, 1)
    >>> report = build_report(
    ...     programme_id="prg_1", name="Compute", at=datetime(2026, 4, 1, tzinfo=UTC), published=[],
    ...     vouchers=[Issued("vou_1", "org_1", 1)], held=[Held("vou_1", RESERVE, 2)], refusals=[],
    ...     moves=[
    ...         Move("", march, Side.OTHER, 9), Move("", march, Side.INNER, -5), Move("vou_1", march, Side.INNER, 5),
    ...     ],
    ... )
    >>> report.total.flows.fund_uc, report.total.flows.vouchers_uc, report.total.flows.free_uc
    (4, 5, 3)
    """
    known = {each.voucher_id: each for each in vouchers}
    by_voucher: defaultdict[str, Flows] = defaultdict(Flows)
    months: defaultdict[date, Flows] = defaultdict(Flows)
    for move in moves:
        flows = _sort_move(move)
        by_voucher[move.voucher_id] += flows
        # What leaves the fund for vouchers enters them: it is counted where it enters.
        months[move.month] += flows
    for each in held:
        is_reserve = each.code == RESERVE
        by_voucher[each.voucher_id] += Flows(**{"reserved_uc" if is_reserve else "held_uc": each.held_uc})
    versions, organisations = _group(known, by_voucher)
    refused: defaultdict[tuple[int, str], Refused] = defaultdict(Refused)
    for refusal in refusals:
        refused[refusal.version, refusal.code] += Refused(int(not refusal.by_quote), int(refusal.by_quote))
    return ProgrammeReport(
        programme_id=programme_id,
        name=name,
        at=at,
        total=Line(len(known), len(organisations), sum(by_voucher.values(), Flows())),
        versions=versions,
        published=published,
        organisations=organisations,
        months=dict(months),
        refused=dict(refused),
    )


def _sort_move(move: Move) -> Flows:
    """Return a move as the figure that it belongs to."""
    amount_uc, enters = abs(move.change_uc), move.change_uc > 0
    if move.voucher_id:
        names = ("issued_uc", "expired_uc") if move.side is Side.INNER else ("given_back_uc", "spent_uc")
    elif move.side is Side.INNER:
        return Flows()
    elif move.side is Side.WALLET:
        names = ("recovered_uc", "returned_uc")
    else:
        names = ("granted_uc", "withdrawn_uc")
    return Flows(**{names[0] if enters else names[1]: amount_uc})


def _group(
    known: Mapping[str, Issued], by_voucher: Mapping[str, Flows]
) -> tuple[Mapping[int, Line], Mapping[str, Line]]:
    """Return the vouchers by version of the rule and by member."""
    versions: defaultdict[int, list[Issued]] = defaultdict(list)
    organisations: defaultdict[str, list[Issued]] = defaultdict(list)
    for each in known.values():
        versions[each.version].append(each)
        organisations[each.organisation_id].append(each)
    return (
        {version: _sum(some, by_voucher) for version, some in versions.items()},
        {organisation_id: _sum(some, by_voucher) for organisation_id, some in organisations.items()},
    )


def _sum(vouchers: Sequence[Issued], by_voucher: Mapping[str, Flows]) -> Line:
    flows = sum((by_voucher.get(each.voucher_id, Flows()) for each in vouchers), Flows())
    return Line(len(vouchers), len({each.organisation_id for each in vouchers}), flows)


def _write(line: Line) -> dict[str, Json]:
    return {"vouchers": line.vouchers, "members": line.members, **line.flows.document}


def _list_figures(flows: Flows) -> list[int]:
    return [int(str(each)) for each in flows.document.values()]
