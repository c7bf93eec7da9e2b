"""What goes into a pack, gathered from the rooms that know it and written file by file."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import IO

from django.conf import settings

from lilong.common.periods import DayPeriod
from lilong.common.time import format_moment
from lilong.foundation.cases.public import CaseView, Decision, get_many
from lilong.foundation.ledger.public.past import (
    AsOf,
    export_beancount,
    export_transfers,
    export_trial_balance,
    list_closed_pay_outs,
)
from lilong.foundation.members.public.people import Language
from lilong.foundation.record.public import sign
from lilong.foundation.record.public.proofs import ProvenPeriod, prove_period
from lilong.platforms.audit.services.writing import PackWriter
from lilong.platforms.funding.public.reports import list_reported, list_rules
from lilong.platforms.supermarket.public.papers import build_report, list_issued, set_invoice
from lilong.protocol.audit_pack import (
    END_FILE,
    ENTRIES_NAME,
    HEADS_NAME,
    INVOICES,
    JOURNAL_FILE,
    MOVES_FILE,
    PAY_OUT_COLUMNS,
    PAY_OUTS_FILE,
    PERIOD_KINDS,
    PROGRAMMES,
    RECORD,
    REPORT_NAME,
    START_FILE,
)
from lilong.protocol.exports import render_csv, render_json

INSTANT = timedelta(microseconds=1)


def write_pack(*, file: IO[bytes], period: DayPeriod, now: datetime) -> None:
    """Write the pack of a closed period.

    Raises NotWitnessedYet, and what `set_paper` raises. Memory is bounded by accounts, vouchers and files, not by
    transfers or bytes. Cost: linear in all transfers until the end, and twice a third of a second for each invoice.
    """
    pay_outs = _list_pay_outs(period)
    proven = prove_period(
        begin=period.begin,
        end=period.end,
        kinds=PERIOD_KINDS,
        earlier_ids=[*list_reported(at=period.end - INSTANT), *(str(row["case_id"]) for row in pay_outs)],
        entry_ids=[each.view.record_entry_id for each in list_issued(period=period)],
    )
    hub = proven[-1].origin if proven else settings.LILONG.hub_name
    with PackWriter(file) as pack:
        _add_books(pack, period, hub=hub, now=now)
        content = render_csv(columns=PAY_OUT_COLUMNS, rows=pay_outs)
        pack.add(PAY_OUTS_FILE, [content], about="pay-outs that were sent or refused, with who approved them")
        _add_programmes(pack, period, now=now)
        _add_invoices(pack, period)
        for log in proven:
            _add_log(pack, log)
        pack.seal(
            hub=hub,
            begins_on=period.begins_on.isoformat(),
            ends_on=period.ends_on.isoformat(),
            sign=lambda content: sign(content=content),
        )


def _add_books(pack: PackWriter, period: DayPeriod, *, hub: str, now: datetime) -> None:
    ends = ((START_FILE, period.begin, "start"), (END_FILE, period.end, "end"))
    for path, moment, name in ends:
        content = export_trial_balance(as_of=AsOf(at=moment - INSTANT, known_at=now))
        pack.add(path, [content], about=f"trial balance at the {name} of the period")
    lines = export_beancount(title=f"Books of {hub}", begins_on=period.begins_on, end=period.end)
    pack.add(JOURNAL_FILE, (line.encode() for line in lines), about="journal, as Beancount")
    pack.add(MOVES_FILE, export_transfers(begin=period.begin, end=period.end), about="every transfer, with holds")


def _add_programmes(pack: PackWriter, period: DayPeriod, *, now: datetime) -> None:
    as_of = AsOf(at=period.end - INSTANT, known_at=now)
    for programme_id in list_reported(at=as_of.at):
        report = build_report(programme_id=programme_id, as_of=as_of, now=now)
        folder = f"{PROGRAMMES}/{programme_id}"
        pack.add(f"{folder}/{REPORT_NAME}", [render_json(report.document)], about="a programme as of the end")
        pack.add(f"{folder}/report.csv", report.list_rows(), about="the same for a spreadsheet")
    for rule in list_rules(at=as_of.at):
        path = f"{PROGRAMMES}/{rule.programme_id}/rule-{rule.version}.json"
        pack.add(path, [rule.document.encode()], about="a version of a programme's rule, as published")


def _add_invoices(pack: PackWriter, period: DayPeriod) -> None:
    for sheet in list_issued(period=period):
        path = f"{INVOICES}/{sheet.view.number}"
        pack.add(f"{path}.json", [sheet.content.encode()], about="an invoice or credit note, as recorded")
        for language in Language:
            content = set_invoice(sheet=sheet, language=language)
            pack.add(f"{path}.{language.value}.pdf", [content], about="the same as a paper")


def _add_log(pack: PackWriter, log: ProvenPeriod) -> None:
    folder = f"{RECORD}/{log.number}"
    pack.add(
        f"{folder}/{HEADS_NAME}", [render_json(log.heads)], about="the record's heads at both ends, and their proof"
    )
    pack.add(f"{folder}/{ENTRIES_NAME}", log.entries, about="decisions of the period with reasons and proofs")


def _list_pay_outs(period: DayPeriod) -> Sequence[dict[str, str | int]]:
    rows = list_closed_pay_outs(begin=period.begin, end=period.end)
    cases = get_many(case_ids=[row.case_id for row in rows])
    return [
        {
            "id": row.id,
            "organisation_id": row.organisation_id,
            "amount_uc": row.amount_uc,
            "state": row.state.value,
            "bank_reference": row.bank_reference,
            "case_id": row.case_id,
            "approvers": " ".join(sorted(_list_approvers(cases[row.case_id]))),
            "closed_at": format_moment(row.closed_at) if row.closed_at else "",
        }
        for row in rows
    ]


def _list_approvers(case: CaseView) -> Iterator[str]:
    return (each.person_id for each in case.opinions if each.decision == Decision.APPROVE)
