"""Homes of hubs whose processes are started one by one, and databases of their own on the server of the test run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from tests.running_web import database_url

_numbers = count()


class Hub:
    """The folder of a hub and what the environment says of its rows and bytes."""

    def __init__(self, home: Path, **environment: str) -> None:
        home.mkdir()
        self.home = home
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("LILONG_", "AWS_"))}
        self.environment = ours | {"LILONG_HOME": str(home), "DJANGO_SETTINGS_MODULE": "lilong.web.settings"}
        self.environment |= environment

    def run(self, *arguments: object, code: int = 0) -> Any:
        """Run a Python program and return the document on the last line that it printed."""
        finished = subprocess.run(
            [sys.executable, *map(str, arguments)], env=self.environment, capture_output=True, text=True, check=False
        )
        assert finished.returncode == code, finished.stderr + finished.stdout
        return json.loads(finished.stdout.strip().rsplit("\n", 1)[-1])

    def manage(self, *arguments: object, code: int = 0) -> Any:
        """Run a management command of the hub."""
        return self.run("-m", "lilong.web.manage", *arguments, code=code)

    def script(self, text: str, *arguments: object, code: int = 0) -> Any:
        """Run these lines in a process of the hub."""
        return self.run("-c", f"import django; django.setup()\n{text}", *arguments, code=code)


@contextmanager
def making_databases() -> Iterator[Callable[[], str]]:
    """Hand out a function that makes an empty database on the PostgreSQL server of this run and returns its URL."""
    parts = urlsplit(database_url())
    made: list[str] = []

    def make() -> str:
        name = f"lilong_home_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        made.append(name)
        return parts._replace(path=f"/{name}").geturl()

    yield make
    with psycopg.connect(parts._replace(path="/postgres").geturl(), autocommit=True) as server:
        for name in made:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
