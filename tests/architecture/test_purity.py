"""Cores, protocol, placement and the pure halves of engines do no IO and read no clock."""

import pytest

from tests.architecture.house import Source, list_sources, parse

IO_MODULES = {
    "aiohttp",
    "asyncio",
    "concurrent",
    "django",
    "fcntl",
    "fsspec",
    "gunicorn",
    "http",
    "httpx",
    "importlib",
    "io",
    "logging",
    "multiprocessing",
    "ninja",
    "os",
    "pathlib",
    "psycopg",
    "random",
    "requests",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "stamina",
    "structlog",
    "subprocess",
    "sys",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "uuid",
}
PURE_FILES = {
    "src/lilong/agent/engines/slurm/devices.py",
    "src/lilong/agent/engines/slurm/nodes.py",
    "src/lilong/agent/engines/slurm/opening.py",
    "src/lilong/agent/engines/slurm/reasons.py",
    "src/lilong/agent/engines/slurm/states.py",
}
PURE_PARTS = {"pathlib.PurePosixPath", "pathlib.PurePath", "random.Random", "urllib.parse", "http.HTTPStatus"}
IMPURE_WORDS = {"lilong.common.time.utc_now", "lilong.common.ids.new_id"}
IMPURE_CALLS = {"open", "print", "input", "datetime.now", "datetime.utcnow", "date.today", "__import__", "exec", "eval"}


def is_pure_by_rule(path: str) -> bool:
    """Say whether a file of the package has to be pure."""
    parts = path.split("/")
    return (
        "core" in parts[:-1]
        or parts[:3] in (["src", "lilong", "protocol"], ["src", "lilong", "placement"])
        or (parts[:3] == ["src", "lilong", "agent"] and parts[-1] in {"commands.py", "parsing.py"})
        or path.endswith("/core.py")
        or path in PURE_FILES
    )


def find_impurities(source: Source) -> list[str]:
    """Return the imports and calls that reach outside of the function's arguments."""
    reads_package_files = "/protocol/" in source.path
    imports = [
        name
        for name in source.imports()
        if (name.split(".")[0] in IO_MODULES or name in IMPURE_WORDS)
        and not any(name == part or name.startswith(f"{part}.") for part in PURE_PARTS)
        and not (reads_package_files and name.startswith("importlib.resources"))
    ]
    return [f"{source.path}: {name}" for name in [*imports, *(set(source.calls()) & IMPURE_CALLS)]]


def test_what_decides_does_no_io():
    pure = [source for source in list_sources("src") if is_pure_by_rule(source.path)]

    assert pure
    assert not [line for source in pure for line in find_impurities(source)]


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from pathlib import Path",
        "from django.db import models",
        "from lilong.common.time import utc_now",
        "from importlib.resources import files",
        "open('x')",
        "datetime.now(UTC)",
    ],
)
def test_a_core_that_reaches_outside_is_found(text):
    assert find_impurities(parse(path="src/lilong/foundation/ledger/core/hold.py", text=text))


def test_protocol_may_read_the_files_it_ships():
    assert not find_impurities(parse(path="src/lilong/protocol/x.py", text="from importlib.resources import files"))


@pytest.mark.parametrize(
    ("path", "pure"),
    [
        ("src/lilong/foundation/ledger/core/hold.py", True),
        ("src/lilong/agent/engines/slurm/parsing.py", True),
        ("src/lilong/foundation/ledger/services.py", False),
    ],
)
def test_purity_is_asked_of_what_decides(path, pure):
    assert is_pure_by_rule(path) is pure
