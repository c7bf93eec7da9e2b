import pytest
from django.utils import translation

from tests.saml_provider import running_saml_provider


@pytest.fixture(autouse=True)
def english_again():
    """A request leaves its language behind in this thread."""
    yield
    translation.activate("en")


@pytest.fixture
def home(settings, tmp_path):
    """Give the hub a home folder of its own, with room for objects."""
    settings.LILONG = settings.LILONG.model_copy(update={"home": tmp_path, "storage_reserve_bytes": 0})
    (tmp_path / "objects").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def campus(tmp_path_factory):
    with running_saml_provider(tmp_path_factory.mktemp("campus")) as campus:
        yield campus


@pytest.fixture
def configure(settings, tmp_path, campus):
    """Let hub and provider know each other, with these settings beyond the necessary ones."""

    from lilong.web.config import SamlProvider  # noqa: PLC0415 - needs Django to be set up
    from lilong.web.sign_in import build_settings  # noqa: PLC0415 - see above
    from tests.sign_ins import Browser  # noqa: PLC0415 - see above

    def configure_with(**more):
        if "metadata_file" not in more:
            more = {"metadata_url": campus.entity_id} | more
        provider = SamlProvider(**({"id": "campus", "name": "Campus", "entity_id": campus.entity_id} | more))
        settings.LILONG = settings.LILONG.model_copy(
            update={"saml_providers": (provider,), "public_url": "http://127.0.0.1"}
        )
        settings.SOCIALACCOUNT_PROVIDERS = build_settings(settings.LILONG)["SOCIALACCOUNT_PROVIDERS"]
        campus.learn_hub(Browser().get("/account/saml/campus/metadata/").content)

    return configure_with
