from dataclasses import replace
from datetime import date

import pytest

from lilong.foundation.ledger.core.bank import camt
from lilong.foundation.ledger.core.bank.files import (
    FILE_BYTES_MAX,
    HEAD_BYTES,
    BankFileTooLarge,
    is_statement_head,
    read_file,
)
from lilong.foundation.ledger.core.bank.statements import (
    ENTRIES_MAX,
    BankFileUnreadable,
    BankStatementInvalid,
    StatementEntry,
    digest_statement,
    identify_entries,
)
from lilong.foundation.ledger.core.bank.table import HEADER
from tests.bank import make_entry, make_statement, write_camt, write_table

OLD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
  <GrpHdr><MsgId>053D2013</MsgId><CreDtTm>2026-03-31T21:15:30.000+01:00</CreDtTm></GrpHdr>
  <Stmt><Id>0352C532</Id><ElctrncSeqNb>130000005</ElctrncSeqNb><CreDtTm>2026-03-31T21:15:30.000+01:00</CreDtTm>
    <Acct><Id><IBAN>DE14740618130000033626</IBAN></Id><Ccy>EUR</Ccy></Acct>
    <Bal><Tp><CdOrPrtry><Cd>PRCD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">33.06</Amt><CdtDbtInd>DBIT</CdtDbtInd>
      <Dt><Dt>2026-03-27</Dt></Dt></Bal>
    <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">3416.94</Amt><CdtDbtInd>CRDT</CdtDbtInd>
      <Dt><Dt>2026-03-31</Dt></Dt></Bal>
    <Ntry><Amt Ccy="EUR">3500.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
      <BookgDt><Dt>2026-03-30</Dt></BookgDt><ValDt><DtTm>2026-03-31T00:00:00</DtTm></ValDt>
      <AcctSvcrRef>20260330-7</AcctSvcrRef><BkTxCd/>
      <NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
        <RltdPties><Dbtr><Nm>B\u00e4ckerei Lane</Nm></Dbtr></RltdPties>
        <RmtInf><Ustrd>Top-up</Ustrd><Ustrd>INV-7</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
    <Ntry><Amt Ccy="EUR">50.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
      <BookgDt><Dt>2026-03-31</Dt></BookgDt><AcctSvcrRef>20260331-1</AcctSvcrRef><BkTxCd/>
      <AddtlNtryInf>Fees of the quarter</AddtlNtryInf></Ntry>
    <Ntry><Amt Ccy="EUR">9.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>PDNG</Sts><BkTxCd/></Ntry>
  </Stmt></BkToCstmrStmt></Document>""".encode("iso-8859-1")
NEW = b"""<?xml version="1.0" encoding="UTF-8"?>
<ns:Document xmlns:ns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><ns:BkToCstmrStmt><ns:Stmt><ns:Id>9</ns:Id>
  <ns:FrToDt><ns:FrDtTm>2026-03-01T00:00:00+08:00</ns:FrDtTm><ns:ToDtTm>2026-04-01T00:00:00+08:00</ns:ToDtTm></ns:FrToDt>
  <ns:Acct><ns:Id><ns:Othr><ns:Id>6222 0000</ns:Id></ns:Othr></ns:Id></ns:Acct>
  <ns:Bal><ns:Tp><ns:CdOrPrtry><ns:Cd>OPBD</ns:Cd></ns:CdOrPrtry></ns:Tp><ns:Amt Ccy="JPY">0</ns:Amt>
    <ns:CdtDbtInd>CRDT</ns:CdtDbtInd><ns:Dt><ns:Dt>2026-03-01</ns:Dt></ns:Dt></ns:Bal>
  <ns:Bal><ns:Tp><ns:CdOrPrtry><ns:Cd>CLBD</ns:Cd></ns:CdOrPrtry></ns:Tp><ns:Amt Ccy="JPY">-0</ns:Amt>
    <ns:CdtDbtInd>CRDT</ns:CdtDbtInd><ns:Dt><ns:DtTm>2026-03-31T23:59:59+08:00</ns:DtTm></ns:Dt></ns:Bal>
  <ns:Ntry><ns:Amt Ccy="JPY">300</ns:Amt><ns:CdtDbtInd>CRDT</ns:CdtDbtInd><ns:Sts><ns:Cd>BOOK</ns:Cd></ns:Sts>
    <ns:BookgDt><ns:DtTm>2026-03-09T23:30:00+08:00</ns:DtTm></ns:BookgDt><ns:AcctSvcrRef>B9</ns:AcctSvcrRef>
    <ns:NtryDtls>
      <ns:TxDtls><ns:Refs><ns:EndToEndId>E1</ns:EndToEndId></ns:Refs><ns:Amt Ccy="JPY">100</ns:Amt>
        <ns:RltdPties><ns:Dbtr><ns:Pty><ns:Nm>One</ns:Nm></ns:Pty></ns:Dbtr></ns:RltdPties></ns:TxDtls>
      <ns:TxDtls><ns:Refs><ns:EndToEndId>E2</ns:EndToEndId></ns:Refs><ns:Amt Ccy="JPY">200</ns:Amt>
        <ns:RmtInf><ns:Strd><ns:CdtrRefInf><ns:Ref>RF18</ns:Ref></ns:CdtrRefInf></ns:Strd></ns:RmtInf></ns:TxDtls>
    </ns:NtryDtls></ns:Ntry>
  <ns:Ntry><ns:Amt Ccy="JPY">300</ns:Amt><ns:CdtDbtInd>DBIT</ns:CdtDbtInd><ns:RvslInd>true</ns:RvslInd>
    <ns:Sts><ns:Cd>BOOK</ns:Cd></ns:Sts><ns:BookgDt><ns:Dt>2026-03-10</ns:Dt></ns:BookgDt></ns:Ntry>
</ns:Stmt></ns:BkToCstmrStmt></ns:Document>"""
BILLION = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&b;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&x;</Document>"""
FULL = make_statement(
    [
        make_entry(12_50, reference="R1", text="Top-up INV-7"),
        make_entry(-5, day=3, text='Fee, of "March"\u2028& more', name="Bank <AG>"),
        make_entry(12_50, day=3),
        make_entry(12_50, day=3),
    ],
    opening_minor=-100,
    days=5,
)


def test_a_statement_of_version_02_is_read_as_the_bank_means_it():
    (statement,) = read_file(content=OLD)

    assert (statement.account, statement.currency, statement.bank_id) == ("DE14740618130000033626", "EUR", "0352C532")
    assert (statement.begins_on, statement.ends_on) == (date(2026, 3, 30), date(2026, 3, 31))
    assert (statement.opening_minor, statement.closing_minor) == (-33_06, 3416_94)
    assert statement.entries == (
        StatementEntry(
            booked_on=date(2026, 3, 30),
            value_on=date(2026, 3, 31),
            amount_minor=3500_00,
            bank_reference="20260330-7",
            remittance="Top-up INV-7",
            counterparty="B\u00e4ckerei Lane",
        ),
        StatementEntry(
            booked_on=date(2026, 3, 31),
            value_on=date(2026, 3, 31),
            amount_minor=-50_00,
            bank_reference="20260331-1",
            remittance="Fees of the quarter",
        ),
    )


def test_a_statement_of_version_08_is_read_and_its_batch_is_taken_apart():
    (statement,) = read_file(content=NEW)

    assert (statement.account, statement.currency, statement.decimals) == ("6222 0000", "JPY", 0)
    assert (statement.begins_on, statement.ends_on) == (date(2026, 3, 1), date(2026, 3, 31))
    assert [(each.amount_minor, each.end_to_end, each.bank_reference) for each in statement.entries] == [
        (100, "E1", "B9/1"),
        (200, "E2", "B9/2"),
        (-300, "", ""),
    ]
    assert (statement.entries[0].counterparty, statement.entries[1].remittance) == ("One", "RF18")
    assert statement.entries[0].booked_on == date(2026, 3, 9)


@pytest.mark.parametrize("version", ["02", "03", "04", "05", "06", "07", "08"])
def test_every_form_says_the_same(version):
    (by_camt,) = read_file(content=write_camt(FULL, version=version))
    (by_table,) = read_file(content=write_table(FULL))

    assert replace(by_camt, bank_id="") == by_table
    assert digest_statement(statement=by_camt) == digest_statement(statement=by_table)
    assert by_table.entries[1].remittance == 'Fee, of "March" & more'
    assert len(set(identify_entries(statement=by_camt))) == len(FULL.entries)


def test_a_batch_whose_parts_do_not_add_up_stays_one_entry():
    (statement,) = read_file(content=NEW.replace(b'"JPY">200<', b'"JPY">201<'))

    assert [each.amount_minor for each in statement.entries] == [300, -300]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BILLION, "no document type"),
        (OUTSIDE, "no document type"),
        (NEW.replace(b"053.001.08", b"053.001.99"), "no CAMT.053"),
        (NEW.replace(b"camt.053", b"camt.054"), "no CAMT.053"),
        (b"<html><body>Sign in again</body></html>", "no CAMT.053"),
        (NEW[:-40], "broken off"),
        (NEW.replace(b"UTF-8", b"EBCDIC-OF-MARS"), "broken off"),
        (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "broken off"),
        (b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'/>", "1 to 100 statements"),
        (b"%PDF-1.7", "has to be line,account"),
        (b"", "has to be line,account"),
        (b"\xff\xfe<\x00", "no CSV"),
        (b'line,"acc\nount', "no CSV"),
        (HEADER.encode() + b"\nopening,1\n", "more or fewer fields"),
    ],
)
def test_what_is_no_statement_or_not_safe_to_read_is_refused(content, reason):
    with pytest.raises(BankFileUnreadable, match=reason):
        read_file(content=content)


def test_a_file_is_refused_for_its_size_before_it_is_parsed():
    with pytest.raises(BankFileTooLarge):
        read_file(content=b"<" * (FILE_BYTES_MAX + 1))


def test_a_file_of_too_many_or_too_deep_elements_is_refused(monkeypatch):
    head = b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.08'>"
    monkeypatch.setattr(camt, "ELEMENTS_MAX", 1000)
    with pytest.raises(BankFileUnreadable, match="too many elements"):
        read_file(content=head + b"<a/>" * 1000 + b"</Document>")
    with pytest.raises(BankFileUnreadable, match="too many elements"):
        read_file(content=head + b"<a>" * 100 + b"</a>" * 100 + b"</Document>")


@pytest.mark.parametrize(
    ("wrong", "right", "reason"),
    [
        (b"3416.94", b"3416.93", "From -33.06 its entries lead to 3416.94, and it closes with 3416.93"),
        (b">CLBD<", b">ITBD<", "no booked balance CLBD"),
        (b">PRCD<", b">ITBD<", "no booked balance OPBD or PRCD"),
        (b'Ccy="EUR">3500', b'Ccy="USD">3500', "in the account's currency"),
        (b'Ccy="EUR"', b'Ccy="XYZ"', "'XYZ' is no currency"),
        (b">CRDT</CdtDbtInd><Sts>", b">UP</CdtDbtInd><Sts>", "credit or debit"),
        (b"3500.00", b"3500.001", "too large or too fine"),
        (b"3500.00", b"1e9", "'1e9' is no amount"),
        (b"3500.00", b"\xb2", "is no amount"),
        (b"<BookgDt><Dt>2026-03-30</Dt></BookgDt>", b"", "Ntry is without BookgDt"),
        (b"<Dt>2026-03-30</Dt>", b"<Dt>2026-02-30</Dt>", "'2026-02-30' is no day"),
        (b"<IBAN>DE14740618130000033626</IBAN>", b"", "names no account"),
    ],
)
def test_a_statement_that_cannot_be_is_refused_with_the_reason(wrong, right, reason):
    assert wrong in OLD
    with pytest.raises(BankStatementInvalid, match=reason):
        read_file(content=OLD.replace(wrong, right))


@pytest.mark.parametrize(
    ("wrong", "right", "reason"),
    [
        (b"opening", b"entry", "first line has to be the opening"),
        (b"entry", b"note", "has to be an entry"),
        (b",EUR,2026-03-05", b",USD,2026-03-05", "one account in one currency"),
        (b"2026-03-06", b"2026-03-04", "not within the statement's days"),
        (b"2026-03-06", b"2026-03-01", "It begins on 2026-03-02, after it ends on 2026-03-01"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_the_reason(wrong, right, reason):
    assert wrong in write_table(FULL)
    with pytest.raises(BankStatementInvalid, match=reason):
        read_file(content=write_table(FULL).replace(wrong, right))


def test_a_table_may_lack_what_the_bank_does_not_say():
    (statement,) = read_file(
        content=f"\ufeff{HEADER}\r\nopening,A,CNY,2026-03-02,,0,,,,\r\nentry,A,CNY,2026-03-02,,1.5,,,,\r\n\r\n"
        "closing,A,CNY,2026-03-02,,1.50,,,,\r\n".encode()
    )

    assert statement.entries == (
        StatementEntry(booked_on=date(2026, 3, 2), value_on=date(2026, 3, 2), amount_minor=150),
    )


def test_a_statement_has_a_bounded_number_of_entries():
    many = replace(FULL, entries=(make_entry(0),) * (ENTRIES_MAX + 1))
    with pytest.raises(BankStatementInvalid, match="more than 10000 entries"):
        read_file(content=write_table(many))


@pytest.mark.parametrize("content", [OLD, NEW, write_table(FULL), b"\xef\xbb\xbf" + write_table(FULL)])
def test_files_are_told_by_how_they_begin(content):
    assert is_statement_head(content[:HEAD_BYTES])
    assert not is_statement_head(b"PK\x03\x04" + content[: HEAD_BYTES - 4])
    assert not is_statement_head(b"")
