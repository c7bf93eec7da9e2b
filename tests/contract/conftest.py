"""Two clusters of each Slurm version for the whole suite: its rigs make and end jobs, the clusters stay."""

from collections.abc import Iterator

import pytest

from tests.slurm.site import Site, running_site

# What waits long elsewhere comes soon here, and memory is watched by Slurm, too.
HASTY = {
    "MessageTimeout": "4",
    "MinJobAge": "3",
    "SlurmdTimeout": "6",
    "JobAcctGatherFrequency": "task=1",
    "JobAcctGatherParams": "OverMemoryKill",
}


@pytest.fixture(scope="session")
def bookworm() -> Iterator[Site]:
    with running_site(suite="bookworm") as site:
        yield site


@pytest.fixture(scope="session")
def trixie() -> Iterator[Site]:
    with running_site(suite="trixie") as site:
        yield site


@pytest.fixture(scope="session")
def hasty_bookworm() -> Iterator[Site]:
    with running_site(suite="bookworm", settings=HASTY) as site:
        yield site


@pytest.fixture(scope="session")
def hasty_trixie() -> Iterator[Site]:
    with running_site(suite="trixie", settings=HASTY) as site:
        yield site


@pytest.fixture(params=["bookworm", "trixie"])
def hasty_site(request: pytest.FixtureRequest) -> Site:
    """Return a cluster on which parts may be killed; a test leaves it whole."""
    site: Site = request.getfixturevalue(f"hasty_{request.param}")
    return site
