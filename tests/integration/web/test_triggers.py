"""SQLite changes a table by making another, and drops the old one with its triggers: none may be lost that way."""

import json
import os
import subprocess
import sys


def test_no_migration_loses_a_trigger_of_an_earlier_one(tmp_path):
    environment = {name: said for name, said in os.environ.items() if name != "LILONG_DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.triggers"],
        env=environment | {"LILONG_HOME": os.fspath(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(done.stdout)

    assert len(found["made"]) >= 28
    assert found["there"] == found["made"]
