"""Appends and proofs of the record at a million leaves on SQLite, beside pymerkle's tree in SQLite.

An append of ours is a durable transaction with a committed payload, later sealed and signed with others; one of
pymerkle's is a durable transaction with a leaf and its hash. `python -m tests.bench.record [LEAVES]`
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

ROUNDS = 500
REFERENCE = Path(__file__).with_name("_pymerkle.py")
ROWS = (
    ("append", "append", "append, a transaction each"),
    ("seal", "append", "append, a transaction each, and seal"),
    ("inclusion", "inclusion", "prove inclusion"),
    ("consistency", "consistency", "prove consistency"),
)


def main() -> None:
    """Print rates per second and their ratios."""
    leaves = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        ours, other = measure_record(Path(folder), leaves), measure_pymerkle(Path(folder), leaves)
    print(f"{f'{leaves:,} leaves, {ROUNDS} rounds':<40}{'record/s':>12}{'pymerkle/s':>12}{'ratio':>9}")
    for mine, its, title in ROWS:
        print(f"{title:<40}{ours[mine]:>12,.0f}{other[its]:>12,.0f}{ours[mine] / other[its]:>8.2f}x")


def measure_record(folder: Path, leaves: int) -> dict[str, float]:
    """Return the rates of a fresh hub's record."""
    os.environ |= {"LILONG_HOME": str(folder), "DJANGO_SETTINGS_MODULE": "lilong.web.settings"}
    django.setup()
    call_command("migrate", verbosity=0)
    rates: dict[str, float] = import_module("tests.bench._record").measure(leaves=leaves, rounds=ROUNDS)
    return rates


def measure_pymerkle(folder: Path, leaves: int) -> dict[str, float]:
    """Return the rates of the reference, which is GPL and gets an environment of its own for the time of the bench."""
    environment = folder / "reference"
    python = str(environment / "bin" / "python")
    _run([sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(environment)])
    _run([sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "pymerkle==7.0.0"])
    rates: dict[str, float] = json.loads(
        _run([python, str(REFERENCE), str(folder / "reference.sqlite3"), str(leaves), str(ROUNDS)])
    )
    return rates


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
