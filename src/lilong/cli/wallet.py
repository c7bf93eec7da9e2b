"""The command `wallet`: what there is to spend, and what moved lately."""

from itertools import islice
from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, print_json, print_next_step, print_table
from lilong.sdk.wallet import Account

app = typer.Typer()


@app.command()
def wallet(
    transfers: Annotated[int, typer.Option(min=0, max=1000, help="How many of the latest transfers to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the organisation's accounts, its vouchers, and what moved in the wallet."""
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
