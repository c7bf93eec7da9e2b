import pytest


@pytest.fixture
def home(settings, tmp_path):
    """Give the hub a home folder of its own, with room for objects."""
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()
    return tmp_path
