"""What tests of the API stand on."""

from pathlib import Path

import pytest


@pytest.fixture
def home(settings, tmp_path) -> Path:
    """Give the test a home folder of its own."""
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder
