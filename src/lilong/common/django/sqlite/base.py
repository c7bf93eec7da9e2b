"""The database wrapper that Django loads for ENGINE `lilong.common.django.sqlite`."""

from sqlite3 import Connection
from typing import Any

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite in WAL mode whose transactions take the write lock when they begin."""

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
        return connection
