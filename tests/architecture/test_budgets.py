"""Files of at most 400 lines, functions of at most 60; verifiers that a stranger reads in five minutes."""

import sys

import pytest

from tests.architecture.house import Source, list_sources, parse

FILE_LINES = 400
FUNCTION_LINES = 60
VERIFIER_LINES = 80


def find_too_long(source: Source) -> list[str]:
    """Return the file and the functions in it that are over their budget."""
    lines = len(source.text.splitlines())
    found = [f"{source.path}: {lines} lines"] if lines > FILE_LINES else []
    for function in source.functions():
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        if length > FUNCTION_LINES:
            found.append(f"{source.path}:{function.lineno} {function.name}: {length} lines")
    return found


def test_files_and_functions_keep_their_budgets():
    sources = list_sources("src", "tests", "tools", "docs")

    assert not [line for source in sources for line in find_too_long(source)]


@pytest.mark.parametrize(("lines", "over"), [(60, False), (61, True)])
def test_a_function_of_61_lines_is_too_long(lines, over):
    source = parse(path="x.py", text="def long():\n" + "    pass\n" * (lines - 1))

    assert bool(find_too_long(source)) is over


def test_verifiers_are_short_and_use_nothing_of_ours():
    allowed = sys.stdlib_module_names | {"cryptography"}
    for verifier in list_sources("tools"):
        assert len(verifier.text.splitlines()) <= VERIFIER_LINES, verifier.path
        assert {name.split(".")[0] for name in verifier.imports()} <= allowed, verifier.path
