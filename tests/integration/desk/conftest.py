import pytest


@pytest.fixture
def filled(transactional_db):
    from lilong.common.time import utc_now  # noqa: PLC0415 - needs Django to be set up
    from tests.desks import Neighbourhood  # noqa: PLC0415 - see above

    return Neighbourhood(now=utc_now())
