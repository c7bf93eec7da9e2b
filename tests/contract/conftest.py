"""One cluster of each Slurm version for the whole suite: its rigs make and end jobs, the clusters stay."""

from collections.abc import Iterator

import pytest

from tests.slurm.site import Site, running_site


@pytest.fixture(scope="session")
def bookworm() -> Iterator[Site]:
    with running_site(suite="bookworm") as site:
        yield site


@pytest.fixture(scope="session")
def trixie() -> Iterator[Site]:
    with running_site(suite="trixie") as site:
        yield site
