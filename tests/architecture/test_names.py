"""Names say what a thing is; every room says what it is for."""

import ast
import re

import pytest

from tests.architecture.house import PACKAGE, Source, list_rooms, list_sources, parse, read_room_order

EMPTY_WORDS = re.compile(r"^(utils?|helpers?|managers?|misc|data|info|process_\w*)$")
EMPTY_CLASSES = re.compile(r"(Utils?|Helpers?|Manager|Data|Info|Processor)$")
COUNTED = re.compile(r"^(core|models|events|reactions|queries|services|public|api|pages|forms)_?\d+$")


def find_empty_names(source: Source) -> list[str]:
    """Return the names in a file that say nothing."""
    stem = source.path.rsplit("/", 1)[-1].removesuffix(".py")
    found = [stem] if EMPTY_WORDS.match(stem) or COUNTED.match(stem) else []
    found += [function.name for function in source.functions() if EMPTY_WORDS.match(function.name)]
    classes = [node.name for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef)]
    found += [name for name in classes if EMPTY_CLASSES.search(name)]
    return [f"{source.path}: {name}" for name in found]


def test_no_name_is_empty():
    assert not [line for source in list_sources("src", "tests", "tools") for line in find_empty_names(source)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/lilong/common/utils.py", ""),
        ("src/lilong/foundation/ledger/services2.py", ""),
        ("a.py", "def process_order(): ..."),
        ("a.py", "class OrderManager: ..."),
    ],
)
def test_an_empty_name_is_found(path, text):
    assert find_empty_names(parse(path=path, text=text))


def test_every_room_says_in_half_a_page_what_it_is_for():
    for room in list_rooms():
        readme = PACKAGE / room.replace(".", "/") / "README.md"
        assert readme.exists(), f"{readme} is missing: the words, the invariants, who calls me"
        assert 5 <= len(readme.read_text(encoding="utf-8").splitlines()) <= 60, readme


def test_every_room_has_a_place_in_the_order():
    assert set(list_rooms()) <= set(read_room_order())
