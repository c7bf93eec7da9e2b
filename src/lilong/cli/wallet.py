"""The command `wallet`: what there is to spend, what moved lately, and files for accountants."""

from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, messages, print_json, print_next_step, print_table
from lilong.common.canonical import sha256_hex
from lilong.common.errors import InputInvalid
from lilong.common.files import write_durably
from lilong.sdk.wallet import Account

app = typer.Typer(invoke_without_command=True)


class PaperForm(StrEnum):
    """Forms in which accountants take what an organisation was charged."""

    FOCUS = "focus"
    BEANCOUNT = "beancount"


class PaperNotWritten(InputInvalid):
    """The file cannot be written where it was asked for."""

    code = "cli.paper_not_written"
    title = "The file was not written"
    next_step = "Name a file in a folder that you may write to and that has room."


@app.callback()
def wallet(
    context: typer.Context,
    transfers: Annotated[int, typer.Option(min=0, max=1000, help="How many of the latest transfers to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the organisation's accounts, its vouchers, and what moved in the wallet."""
    if context.invoked_subcommand:
        return
    with hub_session(as_json=as_json) as hub:
        accounts = list(hub.wallet.list_accounts())
        vouchers = [voucher for voucher in hub.vouchers.list() if voucher.closed_at is None]
        own = next((account for account in accounts if account.kind == "wallet"), None)
        moved = list(islice(hub.wallet.list_transfers(own.id), transfers)) if own and transfers else []
        if as_json:
            print_json({"accounts": accounts, "vouchers": vouchers, "transfers": moved})
            return
        _print_accounts(accounts)
        rows = [
            (
                voucher.programme_name,
                f"{voucher.rate_ppm / 10_000:g} %",
                credits_text(voucher.available_uc),
                credits_text(voucher.reserved_uc),
                format_time(voucher.expires_at),
            )
            for voucher in vouchers
        ]
        columns = ("Voucher of", "Pays at most", "Available", "Reserved", "Expires")
        print_table(
            title="Vouchers", columns=columns, rows=rows, right=frozenset({"Pays at most", "Available", "Reserved"})
        )
        lines = [
            (
                format_time(transfer.effective_at),
                transfer.kind,
                transfer.code,
                credits_text(transfer.amount_uc if own and transfer.credit_account == own.id else -transfer.amount_uc),
                transfer.subject,
            )
            for transfer in moved
        ]
        columns = ("At", "Kind", "What", "Amount", "About")
        print_table(title="Latest in the wallet", columns=columns, rows=lines, right=frozenset({"Amount"}))
        if not any(account.balance.available_uc > 0 for account in accounts):
            print_next_step("Ask the hub's operator for a top-up, or a programme for a voucher.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write; one of this name is replaced.")],
    *,
    begins_on: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, of UTC, such as 2026-01-01.")
    ],
    ends_on: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="Day after the last, such as 2026-04-01.")
    ],
    form: Annotated[PaperForm, typer.Option("--format", help="FOCUS 1.2 in CSV, or Beancount.")] = PaperForm.FOCUS,
    as_json: AsJson = False,
) -> None:
    """Write what your organisation was charged, or its whole books, of a period for its accountants."""
    with hub_session(as_json=as_json) as hub:
        download = {PaperForm.FOCUS: hub.wallet.download_focus, PaperForm.BEANCOUNT: hub.wallet.download_beancount}
        content = download[form](begins_on=begins_on.date(), ends_on=ends_on.date())
        try:
            write_durably(path=file, content=content, mode=0o644)
        except OSError as error:
            raise PaperNotWritten(detail=f"{file}: {error.strerror}.") from error
        if as_json:
            print_json({"file": str(file), "sha256": sha256_hex(content), "size_bytes": len(content)})
            return
        messages.print(f"{len(content)} bytes are in {escape(str(file))}.")


def _print_accounts(accounts: list[Account]) -> None:
    rows = [
        (
            account.kind,
            credits_text(account.balance.available_uc),
            credits_text(account.balance.pending_out_uc),
            credits_text(account.balance.posted_uc),
        )
        for account in accounts
    ]
    columns = ("Account", "Available", "Held", "Posted")
    print_table(title="Accounts", columns=columns, rows=rows, right=frozenset({"Available", "Held", "Posted"}))
