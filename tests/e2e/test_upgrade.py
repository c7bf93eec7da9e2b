"""The demo's hub of an earlier version, upgraded: the same books, a record that verifies, and people who go on."""

import json
import os
import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lilong.cli.demo.folder import end_jobs
from lilong.cli.demo.proof import fetch_files, recompute_charge, verify_record
from lilong.cli.local_hub import LocalHub
from lilong.common.time import format_moment, utc_now
from lilong.protocol.spec_yaml import parse_spec
from lilong.sdk.client import Lilong
from tests.crash.buyer import run_lilong
from tests.earlier import EarlierMissing, install_earlier
from tests.polling import wait_until

EMAIL, PASSWORD = "lin@shu-robotics.example", "correct horse battery"
SPEC = b"name: hello\ncommand: echo hello\nwalltime: 1m\nresources: {cores: 1, memory: 128MiB, disk: 32MiB}\n"
# What the demo's engineer could have done in a browser, by the earlier version's own services.
PERSON = f"""
import django; django.setup()
from allauth.account.models import EmailAddress
from django.db import transaction
from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.core.roles import list_scopes
from lilong.foundation.members.core.tokens import LIFE_DEFAULT_S, TokenUse
from lilong.foundation.members.models import Membership
from lilong.foundation.members.services.passwords import set_password
from lilong.foundation.members.services.tokens import insert_token
membership = Membership.objects.get(person__email="{EMAIL}")
person = set_password(person_id=membership.person_id, password="{PASSWORD}")
with transaction.atomic():
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    scopes, life_s = list_scopes(role=Role(membership.role)), LIFE_DEFAULT_S
    token = insert_token(
        membership=membership, use=TokenUse.ACCESS, name="before", scopes=scopes, life_s=life_s, now=utc_now()
    )
print(token.secret)
"""

pytestmark = pytest.mark.timeout(1500)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A home that was upgraded, what of it was known before, and what the upgrade said.

    books: all of them, written by the earlier version before and by this one afterwards.
    """

    home: Path
    demo: dict[str, Any]
    books: list[bytes]
    token: str
    said: dict[str, Any]


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory) -> Upgraded:
    folder = tmp_path_factory.mktemp("earlier")
    home = folder / "home"
    try:
        python = install_earlier(folder=folder)
    except EarlierMissing as problem:
        pytest.skip(str(problem))

    def run(*arguments: str | Path) -> str:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("LILONG_", "DJANGO_"))}
        environment = ours | {"LILONG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "lilong.web.settings"}
        done = subprocess.run(
            [python, *map(str, arguments)],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr[-8000:]
        return done.stdout

    demo = json.loads(run("-m", "lilong.cli.main", "demo", "--home", home, "--json", "--seed", "5"))
    token = run("-c", PERSON).strip()
    until = format_moment(utc_now())
    run("-m", "lilong.cli.main", "ledger", "export", folder / "before.beancount", "--until", until, "--home", home)

    said = json.loads(run_lilong("upgrade", "--json", "--home", home))
    run_lilong("ledger", "export", folder / "after.beancount", "--until", until, "--home", home)
    books = [(folder / f"{name}.beancount").read_bytes() for name in ("before", "after")]
    return Upgraded(home=home, demo=demo, books=books, token=token, said=said)


@pytest.fixture(scope="module")
def hub(upgraded):
    """The upgraded hub and its witness, served by this version where the earlier one served them."""
    settings = tomllib.loads((upgraded.home / "settings.toml").read_text(encoding="utf-8"))
    hub = LocalHub(home=upgraded.home)
    hub.url, hub.witness_url = settings["public_url"], settings["witnesses"][0].split()[0]
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()
        end_jobs(upgraded.home)


def test_books_and_record_are_those_of_before_and_verify(upgraded):
    books = json.loads(run_lilong("ledger", "verify", "--json", "--home", upgraded.home))
    record = json.loads(run_lilong("record", "verify", "--json", "--home", upgraded.home))

    assert upgraded.said["ok"], upgraded.said
    assert upgraded.demo["ledger_balanced"]
    before, after = upgraded.books
    first_day = re.findall(rb"^(\S+) open ", before, re.MULTILINE)[0]
    assert after == before.replace(b"\n\n", b"\n\n%s commodity CREDIT\n\n" % first_day, 1)  # declared since then
    assert upgraded.books[0].count(b"balance ") >= 5
    assert (books["differences"], books["transfers"] > 10) == ([], True)
    assert (record["problems"], record["entries"] > 10) == ([], True)
    assert bool(upgraded.said["made"]) == bool(upgraded.said["backup"])


def test_the_charge_of_before_is_recomputed_from_what_the_upgraded_hub_exports(upgraded, hub, tmp_path):
    with Lilong(url=hub.url, token=upgraded.token) as engineer:
        [order] = engineer.orders.list()
        fetch_files(engineer, order_id=order.id, witness_url=hub.witness_url, folder=tmp_path)

    assert order.charged_uc == upgraded.demo["charged_uc"]
    assert recompute_charge(tmp_path).accepted
    assert verify_record(tmp_path).accepted
    assert (tmp_path / "transfers.csv").read_bytes() == (upgraded.home / "transfers.csv").read_bytes()


def test_who_had_a_password_before_signs_in(hub):
    with httpx.Client(base_url=hub.url, trust_env=False, headers={"Origin": hub.url}) as browser:
        form = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get("/account/login/").text)
        assert form is not None
        fields = {"login": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": form[1]}
        signed_in = browser.post("/account/login/", data=fields)
        home = browser.get("/home")

    assert (signed_in.status_code, home.status_code) == (302, 200)
    assert "Shu Robotics" in home.text


def test_a_new_order_runs_with_the_token_of_before_and_is_paid_from_the_wallet_of_before(upgraded, hub):
    with Lilong(url=hub.url, token=upgraded.token) as engineer:
        quote = engineer.quotes.create(spec=parse_spec(SPEC))
        placed = engineer.orders.place(quote_id=quote.quote_id)
        wait_until(lambda: engineer.orders.get(placed.id).order.settled_at, within_s=180)
        order = engineer.orders.get(placed.id).order

    assert order.run_state == "succeeded"
    assert order.charged_uc
    assert order.max_uc
    assert 0 < order.charged_uc <= order.max_uc
    books = json.loads(run_lilong("ledger", "verify", "--json", "--home", upgraded.home))
    assert books["differences"] == []
