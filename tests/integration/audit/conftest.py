from pathlib import Path

import pytest


@pytest.fixture
def home(settings, tmp_path) -> Path:
    """Give the test a home folder of its own, and credits a worth."""
    from tests.packs import RATE  # noqa: PLC0415 - Django is not set up when this file is read

    hub = {"home": tmp_path, "storage_reserve_bytes": 0, "credit_rates": (RATE,), "record_origin": "hub.example/record"}
    settings.LILONG = settings.LILONG.model_copy(update=hub)
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder
