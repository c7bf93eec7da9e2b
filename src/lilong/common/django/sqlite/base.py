"""The database wrapper that Django loads for ENGINE `lilong.common.django.sqlite`."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from sqlite3 import Connection
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.sqlite3 import base, features
from django.db.transaction import TransactionManagementError

from lilong.common.django.gate import FairGate

_WRITE = re.compile(r'\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b[^"]*"(\w+)"', re.IGNORECASE)


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
        self.execute_wrappers.append(self._guard_writes)

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

    def _guard_writes(self, execute: Callable[..., object], sql: str, *rest: object) -> object:
        """Refuse to write to a table of ours outside of a transaction: it would push in before those who wait.

        What Django and other libraries write to their own tables in single statements passes the gate one by one.
        """
        write = None if self.in_atomic_block or not self.get_autocommit() else _WRITE.match(sql)
        if write is None:
            return execute(sql, *rest)
        if write[1].startswith(_list_own_prefixes()):
            raise TransactionManagementError(f"Write inside transaction.atomic(): {sql[:80]}")
        if self._gate is None:
            return execute(sql, *rest)
        passage = self._gate.enter()
        try:
            return execute(sql, *rest)
        finally:
            self._gate.leave(passage)


@cache
def _list_own_prefixes() -> tuple[str, ...]:
    return tuple(f"{app.label}_" for app in apps.get_app_configs() if app.name.startswith("lilong."))
