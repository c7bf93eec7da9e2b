import pytest


@pytest.fixture
def filled(transactional_db, settings):
    from lilong.common.time import utc_now  # noqa: PLC0415 - needs Django to be set up
    from tests.bank import make_rate  # noqa: PLC0415 - see above
    from tests.desks import Neighbourhood  # noqa: PLC0415 - see above

    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (make_rate(),)})

    return Neighbourhood(now=utc_now())
