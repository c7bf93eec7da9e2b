"""An older backup is restored while the agent and its jobs go on: what the backup holds ends as if nothing had been,
what it does not know of is listed, stopped and not charged.
"""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import httpx
import psycopg
import pytest

from lilong.cli.demo.stage import Stage, Terms
from lilong.cli.local_hub import LocalHub
from lilong.common.errors import NotFound
from lilong.common.money import UC_PER_CREDIT
from lilong.protocol.checkpoint import parse_checkpoint, parse_note, parse_verifier_key
from lilong.protocol.messages import AttemptState
from lilong.protocol.witnessing import LAST_HEAD
from lilong.sdk.orders import Order
from lilong.witness.memory import trust_log
from tests.crash.buyer import Buyer, run_lilong
from tests.hub import keeping_agent, running_hub
from tests.polling import wait_until
from tests.postgresql import Cluster, PostgresqlMissing, find_programs, running_cluster
from tests.s3 import BUCKET, Store, connect, running_store

SECONDS = 120


class Place:
    """Where a hub keeps its rows and bytes: what the environment says, and how to lose all of it."""

    environment: Mapping[str, str] = {}

    def lose(self) -> None:
        """Lose what does not lie in the home."""


class LargePlace(Place):
    """A database of a PostgreSQL server and a bucket."""

    def __init__(self, *, cluster: Cluster, store: Store) -> None:
        self._cluster, self._store = cluster, store
        self.environment = {"LILONG_DATABASE_URL": cluster.database_url(name="hub"), **store.environment()}
        self._make()

    def lose(self) -> None:
        self._run("DROP DATABASE hub WITH (FORCE)")
        self._make()
        names = self._store.list_names()
        assert names
        for name in names:
            connect(self._store.url).delete_object(Bucket=BUCKET, Key=name)

    def _make(self) -> None:
        self._run("CREATE DATABASE hub")

    def _run(self, statement: LiteralString) -> None:
        with psycopg.connect(self._cluster.database_url(name="postgres"), autocommit=True) as server:
            server.execute(statement)


@pytest.fixture(params=["small", "large"])
def place(request) -> Iterator[Place]:
    """A hub on SQLite and a folder, and one on PostgreSQL and a bucket."""
    if request.param == "small":
        yield Place()
        return
    try:
        find_programs()
    except PostgresqlMissing as problem:
        pytest.skip(str(problem))
    with running_cluster() as cluster, running_store() as store:
        yield LargePlace(cluster=cluster, store=store)


@pytest.mark.timeout(900)
def test_an_older_backup_is_restored_while_the_agent_and_its_jobs_go_on(tmp_path: Path, place: Place):
    archive = tmp_path / "backup.tar"
    terms = Terms(wallet_uc=10_000 * UC_PER_CREDIT)
    with (
        keeping_agent(tmp_path / "machine") as agent_home,
        running_hub(tmp_path / "hub", environment=place.environment) as hub,
        Stage(hub=hub, terms=terms, agent_home=agent_home) as stage,
    ):
        stage.set_up()
        buyer = Buyer(stage=stage, folder=tmp_path / "orders", environment=place.environment)
        money_uc = count_money(stage)

        settled = buyer.place()
        buyer.wait_until_settled(settled)
        going_on, tried_again = buyer.place(gated=True), buyer.place(gated=True)
        buyer.wait_until_running(going_on, tried_again)
        queued = buyer.place()
        run_lilong("backup", archive, "--home", hub.home, environment=place.environment)

        shim = buyer.find_shim(tried_again)
        assert shim is not None
        os.kill(shim, signal.SIGKILL)
        wait_until(lambda: len(buyer.list_attempts(tried_again)) > 1, within_s=SECONDS)
        over, stopped = buyer.place(), buyer.place(gated=True)
        buyer.wait_until_settled(tried_again, queued, over)
        buyer.wait_until_running(stopped)
        later_attempts = {buyer.list_attempts(order)[-1] for order in (tried_again, over, stopped)}
        first_attempt = buyer.list_attempts(going_on)

        origin = stage.operators[0].record.get_head().origin
        lose_hub(hub, into=tmp_path / "lost")
        place.lose()
        lost_head = read_witnessed_head(hub, origin=origin)
        said = run_lilong("restore", archive, "--home", hub.home, environment=place.environment)
        print(said)  # noqa: T201 - shown when the test fails
        restart_hub(hub, environment=place.environment)
        buyer.note_keys()

        kept = (settled, going_on, tried_again, queued)
        buyer.wait_until_settled(*kept)
        wait_until(lambda: later_attempts <= list_stopped(stage), within_s=SECONDS)
        troubles = {order.id: buyer.find_troubles(order) for order in kept}

        assert not any(troubles.values()), troubles
        assert buyer.list_attempts(going_on) == first_attempt
        for order in (over, stopped):
            with pytest.raises(NotFound):
                stage.engineer.orders.get(order.id)
        assert list_stopped(stage) == later_attempts
        assert money_uc - count_money(stage) == sum(read_charge_uc(stage, order) for order in kept)
        assert not buyer.find_leftovers()
        assert_the_new_log_names(lost_head, hub, environment=place.environment)
        books = run_lilong("ledger", "verify", "--home", hub.home, "--json", environment=place.environment)
        assert json.loads(books)["differences"] == []
        record = run_lilong("record", "verify", "--home", hub.home, "--json", environment=place.environment)
        assert not json.loads(record).get("problems"), record
        assert stage.operators[0].record.get_status().restoring


def count_money(stage: Stage) -> int:
    """Return all that the engineer's organisation may spend."""
    return sum(account.balance.available_uc for account in stage.engineer.wallet.list_accounts())


def read_charge_uc(stage: Stage, order: Order) -> int:
    """Return what a settled order cost."""
    charged_uc = stage.engineer.orders.get(order.id).order.charged_uc
    assert charged_uc
    return charged_uc


def list_stopped(stage: Stage) -> set[str]:
    """Return the jobs that no order explains and that have ended, as an operator sees them."""
    over = {AttemptState.SUCCEEDED, AttemptState.CANCELLED, AttemptState.FAILED}
    return {job.attempt_id for job in stage.operators[0].pools.list_unknown_attempts() if job.state in over}


def read_witnessed_head(hub: LocalHub, *, origin: str) -> str:
    """Return the last head that the witness has cosigned."""
    return httpx.get(f"{hub.witness_url}{LAST_HEAD}", params={"origin": origin}, trust_env=False).text


def lose_hub(hub: LocalHub, *, into: Path) -> None:
    """Stop the hub and take everything away that it knows."""
    hub.stop_serving()
    into.mkdir()
    for path in hub.home.iterdir():
        if path != hub.witness_home:
            path.rename(into / path.name)


def restart_hub(hub: LocalHub, *, environment: Mapping[str, str]) -> None:
    """Let the auditor trust the new log, as one who has looked at what happened, and start the hub again."""
    hub.stop()
    keys = run_lilong("record", "keys", "--home", hub.home, environment=environment)
    for text in json.loads(keys)["logs"]:
        trust_log(folder=hub.witness_home, key=parse_verifier_key(text))
    hub.start()


def assert_the_new_log_names(lost_head: str, hub: LocalHub, *, environment: Mapping[str, str]) -> None:
    """Check that the second log names the last head of the first, which the backup did not have."""
    question: LiteralString = "SELECT number, is_open, size, follows_note FROM record_log ORDER BY number"
    if url := environment.get("LILONG_DATABASE_URL"):
        with psycopg.connect(url) as server:
            logs = server.execute(question).fetchall()
    else:
        with closing(sqlite3.connect(hub.home / "hub.sqlite3")) as database:
            logs = database.execute(question).fetchall()
    (_, _, size, _), (_, _, _, follows) = logs
    known, lost = (parse_checkpoint(parse_note(text).body) for text in (follows, lost_head))

    assert [(number, bool(is_open)) for number, is_open, *_ in logs] == [(1, False), (2, True)]
    assert known == lost
    assert known.size > size
