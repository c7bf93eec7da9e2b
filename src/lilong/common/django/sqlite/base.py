"""The database wrapper that Django loads for ENGINE `lilong.common.django.sqlite`."""

from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.sqlite3 import base, features
from django.db.transaction import TransactionManagementError

from lilong.common.django.gate import FairGate

_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")


class DatabaseFeatures(features.DatabaseFeatures):
    """What SQLite can do, but for a limit that Django takes from versions before 3.32."""

    max_query_params = 32_766


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite in WAL mode. Every transaction passes the fair gate and takes the write lock when it begins."""

    features_class = DatabaseFeatures

    def __init__(self, settings_dict: dict[str, Any], alias: str = DEFAULT_DB_ALIAS) -> None:
        super().__init__(settings_dict, alias)
        self._gate: FairGate | None = None
        self._passage: int | None = None
        self.execute_wrappers.append(self._refuse_write_past_the_gate)

    def get_connection_params(self) -> dict[str, Any]:
        """Return Django's parameters with our transaction mode and start-up statements."""
        params = super().get_connection_params() | {"timeout": 30}
        self.transaction_mode = "IMMEDIATE"  # after Django has set what the settings say, which is nothing
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """Open a connection that survives a crash of the process (WAL) and of the machine (synchronous=FULL)."""
        connection: Connection = super().get_new_connection(conn_params)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        self._gate = FairGate(Path(f"{file}.gate")) if file else None  # a database in memory has no other process
        return connection

    def _start_transaction_under_autocommit(self) -> None:
        if self._gate is not None:
            self._passage = self._gate.enter()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # the stubs leave it out
        except BaseException:
            self._leave_gate()
            raise

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # the stubs leave it out
        self._leave_gate()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._leave_gate()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # the stubs leave it out
        finally:
            self._leave_gate()

    def _leave_gate(self) -> None:
        if self._gate is not None and self._passage is not None:
            passage, self._passage = self._passage, None
            self._gate.leave(passage)

    def _refuse_write_past_the_gate(self, execute: Callable[..., object], sql: str, *rest: object) -> object:
        """Refuse to write outside of a transaction: such a statement would push in before those who wait.

        Django's own notes on migrations are excepted: it writes them so, one at a time, before the hub starts.
        """
        writes = sql.lstrip()[:7].upper().startswith(_WRITES) and '"django_' not in sql
        if writes and self.get_autocommit() and not self.in_atomic_block:
            raise TransactionManagementError(f"Write inside transaction.atomic(): {sql[:80]}")
        return execute(sql, *rest)
