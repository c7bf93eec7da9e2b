"""A worker of ledger_postgres.py in an environment of its own: the same pairs with django-hordak.

Reads lines `WAY SECONDS` (`spread-3`: hold, pay, refund on many accounts; `hot-2`: hold and pay, all from one account)
and answers each with how many pairs it committed. `prepare` as first argument makes the tables and accounts.
"""

import os
import random
import sys
import time
from urllib.parse import urlsplit

import django
from django.conf import settings

url = urlsplit(os.environ["BENCH_DATABASE_URL"])
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path.lstrip("/"),
            "USER": url.username,
            "HOST": url.hostname,
            "PORT": str(url.port),
        }
    },
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        *("djmoney", "mptt", "hordak"),
    ],
    USE_TZ=True,
    SECRET_KEY="bench",
    DEFAULT_CURRENCY="EUR",
    CURRENCIES=["EUR"],
    HORDAK_CURRENCIES=["EUR"],
)
django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from django.db import transaction  # noqa: E402
from hordak.models import Account  # type: ignore[import-not-found]  # noqa: E402
from moneyed import Money  # type: ignore[import-not-found]  # noqa: E402


def prepare(count: int) -> None:
    """Make the tables and as many wallets and escrows as the other side has."""
    call_command("migrate", verbosity=0)
    kinds = (("wallet", count), ("escrow", count), ("payable", 1), ("fund", 1))
    for name, number in kinds:
        for n in range(number):
            Account.objects.create(name=f"{name} {n}", type="LI", currencies=["EUR"])


def make_pairs(way: str, seconds: float) -> int:
    """Make pairs for so long, each transfer committed by itself, and return how many."""
    spread, _, transfers = way.partition("-")
    wallets = list(Account.objects.filter(name__startswith="wallet"))
    escrows = list(Account.objects.filter(name__startswith="escrow"))
    payable, fund = Account.objects.get(name="payable 0"), Account.objects.get(name="fund 0")
    chance, done, end_s = random.Random(os.getpid()), 0, time.monotonic() + seconds
    held, paid, rest = Money("1.00", "EUR"), Money("0.60", "EUR"), Money("0.40", "EUR")
    while time.monotonic() < end_s:
        payer = fund if spread == "hot" else chance.choice(wallets)
        escrow = chance.choice(escrows)
        steps = ((payer, escrow, held), (escrow, payable, paid), (escrow, payer, rest))
        for source, target, amount in steps[: int(transfers)]:
            with transaction.atomic():
                source.transfer_to(target, amount)
        done += 1
    return done


if sys.argv[1:2] == ["prepare"]:
    prepare(int(sys.argv[2]))
else:
    for line in sys.stdin:
        way, seconds = line.split()
        print(make_pairs(way, float(seconds)), flush=True)
