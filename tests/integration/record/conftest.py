import pytest


@pytest.fixture
def alone(db, settings, tmp_path):
    """Make a hub without witnesses whose log is open; its first entry says so."""
    from tests.record_hub import NOW, seal_all  # noqa: PLC0415 - Django is not set up when this file is read

    (tmp_path / "home").mkdir()
    settings.LILONG = settings.LILONG.model_copy(
        update={"home": tmp_path / "home", "record_origin": "hub.example/record", "witnesses": ()}
    )
    seal_all(NOW)


@pytest.fixture
def auditors(alone, settings, tmp_path):
    """Make a hub of whose three witnesses two must cosign; its first head is published."""
    from tests.record_hub import NOW, running_auditors, seal_all, trust_all  # noqa: PLC0415 - as above

    with running_auditors(tmp_path, 3) as running:
        trust_all(running)
        settings.LILONG = settings.LILONG.model_copy(
            update={"witnesses": tuple(auditor.setting for auditor in running), "witnesses_required": 2}
        )
        seal_all(NOW)
        yield running
