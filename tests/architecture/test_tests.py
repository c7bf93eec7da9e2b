"""Tests wait for conditions, use the real thing, and are all run."""

import tomllib

import pytest

from tests.architecture.house import REPOSITORY, Source, list_sources, parse

# The loads keep the time that agents and people keep.
MAY_SLEEP = {"tests/polling.py", "tests/bench/_agents_load.py", "tests/bench/_web_load.py"}
NOT_A_SUITE = {"bench"}


def find_shortcuts(source: Source) -> list[str]:
    """Return where a test sleeps, or puts something false in place of ours."""
    names = {*source.imports(), *source.calls()}
    shortcuts = {name for name in names if name in {"time.sleep", "asyncio.sleep"}}
    shortcuts |= {name for name in names if name.split(".")[0] in {"mock", "pytest_mock"} or "unittest.mock" in name}
    return [f"{source.path}: {name}" for name in sorted(shortcuts) if source.path not in MAY_SLEEP]


def test_no_test_sleeps_or_mocks():
    assert not [line for source in list_sources("tests") for line in find_shortcuts(source)]


@pytest.mark.parametrize(
    "text", ["time.sleep(1)", "from time import sleep", "from unittest.mock import patch", "import unittest.mock"]
)
def test_a_shortcut_is_found(text):
    assert find_shortcuts(parse(path="tests/unit/test_x.py", text=text))


def test_every_folder_of_tests_belongs_to_a_suite():
    suites = tomllib.loads((REPOSITORY / "tests" / "suites.toml").read_text(encoding="utf-8"))["suite"]
    named = [argument for suite in suites for argument in suite["arguments"] if argument.startswith("tests/")]
    files = [path.relative_to(REPOSITORY / "tests") for path in (REPOSITORY / "tests").rglob("test_*.py")]
    folders = {path.parts[0] for path in files}

    assert not [argument for argument in named if not (REPOSITORY / argument).exists()]
    assert {f"tests/{folder}" for folder in folders - NOT_A_SUITE} <= set(named)
