"""What tests of the API stand on."""

from collections import Counter
from pathlib import Path

import pytest

tried: pytest.StashKey[Counter[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def requests_tried(request: pytest.FixtureRequest) -> Counter[str]:
    """Return where made-up requests are counted, by operation; the sum is printed in the end."""
    return request.config.stash.setdefault(tried, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(tried, Counter())
    if counts:
        terminalreporter.write_line(f"{counts.total()} made-up requests to {len(counts)} operations of the API")


@pytest.fixture
def home(settings, tmp_path) -> Path:
    """Give the test a home folder of its own."""
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    folder: Path = tmp_path
    (folder / "objects").mkdir()
    return folder
