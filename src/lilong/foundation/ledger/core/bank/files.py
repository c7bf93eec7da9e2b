"""A statement's file, whichever of the forms it has."""

from lilong.common.errors import InputInvalid
from lilong.foundation.ledger.core.bank.camt import read_camt
from lilong.foundation.ledger.core.bank.statements import Statement, check_statement
from lilong.foundation.ledger.core.bank.table import HEADER, read_table

FILE_BYTES_MAX = 4 * 1024**2
HEAD_BYTES = 16
_MARK = b"\xef\xbb\xbf"


class BankFileTooLarge(InputInvalid):
    """The file has more bytes than are read at once."""

    code = "ledger.bank_file_too_large"
    title = "This file is too large"
    status = 413
    next_step = f"Export shorter periods: a file may have {FILE_BYTES_MAX // 1024**2} MiB."


def is_statement_head(head: bytes) -> bool:
    """Say by a file's first `HEAD_BYTES` whether it can be a statement: XML, or the header of our CSV.

    >>> is_statement_head(b"<?xml version='1."), is_statement_head(b"%PDF-1.7")
    (True, False)
    """
    begin = head.removeprefix(_MARK)
    return begin.lstrip().startswith(b"<") or HEADER.encode().startswith(begin[: HEAD_BYTES - len(_MARK)] or b"-")


def read_file(*, content: bytes) -> tuple[Statement, ...]:
    """Return the statements of a file, each of which holds. Cost: linear in its bytes.

    Raises BankFileTooLarge, BankFileUnreadable and BankStatementInvalid.
    """
    if len(content) > FILE_BYTES_MAX:
        raise BankFileTooLarge(facts={"limit": FILE_BYTES_MAX})
    is_xml = content.removeprefix(_MARK).lstrip().startswith(b"<")
    statements = read_camt(content=content) if is_xml else (read_table(content=content),)
    for statement in statements:
        check_statement(statement=statement)
    return statements
