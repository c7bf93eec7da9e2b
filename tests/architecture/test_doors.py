"""Between rooms only through `public` and `events`; who knows Django; no way around a contract."""

import tomllib

import grimp
import pytest

from tests.architecture.house import FLOORS, REPOSITORY, build_graph

DOORS = {"public", "events"}
DOORS_FOR_WEB = DOORS | {"api", "pages", "reactions", "management"}


def find_side_entries(graph: grimp.ImportGraph) -> list[str]:
    """Return each import of a room from outside that goes through no door."""
    found = []
    for imported in graph.modules:
        parts = imported.split(".")
        if len(parts) < 3 or parts[0] != "lilong" or parts[1] not in FLOORS:
            continue
        room, inside = ".".join(parts[:3]), parts[3] if len(parts) > 3 else ""
        for importer in graph.find_modules_that_directly_import(imported):
            doors = DOORS_FOR_WEB if importer.startswith("lilong.web.") else DOORS
            if inside not in doors and importer != room and not importer.startswith(f"{room}."):
                found.append(f"{importer} imports {imported}")
    return sorted(found)


def test_rooms_meet_only_at_their_doors():
    assert not find_side_entries(build_graph())


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("lilong.platforms.supermarket.services", "lilong.foundation.ledger.public", True),
        ("lilong.platforms.supermarket.reactions", "lilong.foundation.runs.events", True),
        ("lilong.platforms.supermarket.services", "lilong.foundation.ledger.services", False),
        ("lilong.platforms.supermarket.core.quote", "lilong.platforms.funding.core.split", False),
        ("lilong.foundation.ledger.services.hold", "lilong.foundation.ledger.models", True),
        ("lilong.web.api", "lilong.foundation.ledger.api", True),
        ("lilong.web.wiring", "lilong.foundation.ledger.reactions", True),
        ("lilong.web.worker", "lilong.foundation.ledger.models", False),
    ],
)
def test_a_door_opens_for_whom_it_is_made(importer, imported, allowed):
    graph = grimp.ImportGraph()
    graph.add_import(importer=importer, imported=imported)

    assert (find_side_entries(graph) == []) is allowed


def test_common_knows_django_in_one_folder_only():
    graph = build_graph()
    words = [
        module
        for module in graph.find_descendants("lilong.common")
        if module != "lilong.common.django" and not module.startswith("lilong.common.django.")
    ]

    assert words
    for module in words:
        ours = {name for name in graph.find_upstream_modules(module) if name.startswith("lilong.")}
        assert not {"django", "ninja"} & graph.find_upstream_modules(module), module
        assert all(name.startswith("lilong.common.") for name in ours), module


def test_no_import_contract_has_an_exception():
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]

    assert "ignore_imports" not in str(contracts)
