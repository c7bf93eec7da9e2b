from pathlib import Path

import pytest

from lilong.web.config import load_settings


@pytest.fixture(autouse=True)
def home(settings, tmp_path) -> Path:
    """Give the test a home folder of its own."""
    settings.LILONG = load_settings().model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder
