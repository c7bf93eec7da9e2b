from pathlib import Path

import pytest

from lilong.web.config import load_settings


@pytest.fixture
def set_hub(settings, tmp_path):
    """Change settings of the hub for one test; its objects lie in a folder of the test's own."""

    def change(**changes):
        settings.LILONG = settings.LILONG.model_copy(update=changes)

    settings.LILONG = load_settings()
    change(home=tmp_path, storage_reserve_bytes=0)
    return change


@pytest.fixture
def folder(set_hub, tmp_path) -> Path:
    """Return where the objects of this test lie."""
    path: Path = tmp_path / "objects"
    path.mkdir()
    return path
