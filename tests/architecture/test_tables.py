"""Tables point to earlier rooms only, never into the record, and every change of a table has a migration."""

from django.apps import apps
from django.db import models
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

from tests.architecture.house import read_room_order


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
