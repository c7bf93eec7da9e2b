"""Tables point to earlier rooms only, never into the record; every change has a migration, for whichever database."""

import ast

from django.apps import apps
from django.db import models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from tests.architecture.house import list_sources, parse, read_room_order


def room_of(model: type[models.Model]) -> str:
    """Return `foundation.record` for a model of that room, an empty text for one that is not ours."""
    parts = model.__module__.split(".")
    return ".".join(parts[1:3]) if parts[0] == "lilong" else ""


def find_wrong_pointers(field: models.ForeignKey[models.Model, models.Model]) -> list[str]:
    """Return why this foreign key may not be."""
    target = field.related_model
    assert isinstance(target, type)
    order = read_room_order()
    own, other = room_of(field.model), room_of(target)
    found = []
    if own != other and other == "foundation.record":
        found.append(f"{field} points into the record")
    if other and order.index(other) > order.index(own):
        found.append(f"{field} points to a later room")
    if other and field.remote_field.on_delete is not models.PROTECT:
        found.append(f"{field} does not protect what it points to")
    return found


def test_foreign_keys_protect_and_point_to_earlier_rooms():
    fields = [field for model in apps.get_models() if room_of(model) for field in model._meta.get_fields()]
    pointers = [field for field in fields if isinstance(field, models.ForeignKey)]

    assert not [line for field in pointers for line in find_wrong_pointers(field)]


def test_every_change_of_a_table_has_its_migration():
    loader = MigrationLoader(None)
    detector = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps))
    changes = detector.changes(graph=loader.graph)

    assert not {label: [str(op) for change in found for op in change.operations] for label, found in changes.items()}


def find_reads_of_any_database(tree: ast.Module) -> list[str]:
    """Return where rows are reached without saying of which database: a backup migrates a copy beside the hub's."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "using"}
    managers = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.endswith("objects")]
    return [f"{node.lineno}: {ast.unparse(node)}" for node in managers if id(node) not in said]


def test_migrations_of_rows_say_on_which_database_they_run():
    migrations = [source for source in list_sources("src/lilong") if "/migrations/" in source.path]

    assert len(migrations) >= 20
    found = {source.path: find_reads_of_any_database(source.tree) for source in migrations}
    assert not {path: lines for path, lines in found.items() if lines}


def test_a_migration_that_does_not_is_found():
    text = "apps.get_model('a', 'B').objects.all()\napps.get_model('a', 'B').objects.using(alias).all()"

    assert find_reads_of_any_database(parse(path="m.py", text=text).tree) == ["1: apps.get_model('a', 'B').objects"]
