"""A worker of ledger_postgres.py: hold+settle pairs with Lilong's ledger.

Reads lines `WAY SECONDS` (`spread-1`: many accounts, every step committed by itself; `hot-50`: all holds on one
programme account, fifty pairs in each call) and answers each with how many pairs it committed. `prepare` as first
argument makes the tables and accounts.
"""

import os
import random
import sys
import time

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first

from lilong.common.ids import new_id  # noqa: E402
from lilong.common.time import utc_now  # noqa: E402
from lilong.foundation.ledger.models import Account  # noqa: E402
from lilong.foundation.ledger.public import (  # noqa: E402
    AccountKind,
    LinkGroup,
    Transfer,
    TransferKind,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.ledger.services.tail import roll_up  # noqa: E402

HELD_UC, PAID_UC = 100, 60
RICH_UC = 10**15


def prepare(count: int) -> None:
    """Make the tables, `count` wallets and escrows, a payable account and a programme with money in it."""
    call_command("migrate", verbosity=0)
    now = utc_now()
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="bench", now=now)
    open_account(kind=AccountKind.PROVIDER_ACCRUING, owner_id="org", purpose="", now=now)
    rich = [open_account(kind=AccountKind.PROGRAMME_FUND, owner_id="org", purpose="", now=now)]
    for n in range(count):
        rich.append(open_account(kind=AccountKind.WALLET, owner_id=f"org_{n}", purpose="", now=now))
        open_account(kind=AccountKind.ORDER_ESCROW, owner_id=f"org_{n}", purpose="", now=now)
    groups = [_group(_transfer(TransferKind.POST, outside, account, RICH_UC)) for account in rich]
    require_posted(results=post_many(groups=groups, now=utc_now()))


def make_pairs(way: str, seconds: float) -> int:
    """Make pairs for so long and return how many; a pair is a pend, then settle and post in one group."""
    spread, _, batch = way.partition("-")
    accounts = {
        kind: list(Account.objects.filter(kind=kind).values_list("pk", flat=True))
        for kind in ("wallet", "order_escrow", "programme_fund", "provider_accruing")
    }
    payers = accounts["programme_fund" if spread == "hot" else "wallet"]
    [payable] = accounts["provider_accruing"]
    chance, done, end_s = random.Random(os.getpid()), 0, time.monotonic() + seconds
    while time.monotonic() < end_s:
        holds, ends = [], []
        for _ in range(int(batch)):
            payer, escrow = chance.choice(payers), chance.choice(accounts["order_escrow"])
            hold = _transfer(TransferKind.PEND, payer, escrow, HELD_UC)
            end = _transfer(TransferKind.SETTLE, payer, escrow, PAID_UC, pending_id=hold.id)
            holds.append(_group(hold))
            ends.append(_group(end, _transfer(TransferKind.POST, escrow, payable, PAID_UC)))
        for groups in (holds, ends):
            require_posted(results=post_many(groups=groups, now=utc_now()))
        done += int(batch)
    roll_up()
    return done


def _group(*transfers: Transfer) -> LinkGroup:
    return LinkGroup(id=new_id("grp"), transfers=transfers)


def _transfer(kind: TransferKind, debit: str, credit: str, amount_uc: int, pending_id: str | None = None) -> Transfer:
    return Transfer(
        id=new_id("tra"),
        kind=kind,
        debit_account=debit,
        credit_account=credit,
        amount_uc=amount_uc,
        code="bench",
        subject=pending_id or "",
        effective_at=utc_now(),
        pending_id=pending_id,
    )


if sys.argv[1:2] == ["prepare"]:
    prepare(int(sys.argv[2]))
else:
    for line in sys.stdin:
        way, seconds = line.split()
        print(make_pairs(way, float(seconds)), flush=True)
