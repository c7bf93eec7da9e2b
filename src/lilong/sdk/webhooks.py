"""Endpoints to which the hub sends an organisation's notices, signed as Standard Webhooks says."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from lilong.sdk.noun import Answer, Noun, address


class WebhookSecret(Answer):
    """A secret, shown this once; until old_until the one before signs, too."""

    webhook_id: str
    secret: str = Field(repr=False)
    old_until: datetime | None = None


class Webhook(Answer):
    """A webhook without its secret."""

    id: str
    url: str
    kinds: tuple[str, ...]
    created_at: datetime
    old_secret_until: datetime | None = None
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_because: str = ""


class DeliveryTry(Answer):
    """One try: the status of the answer, or the problem that prevented one."""

    at: datetime
    status: int | None = None
    problem: str = ""
    milliseconds: int


class WebhookDelivery(Answer):
    """One notice on its way; id is the `webhook-id` that the receiver sees."""

    id: str
    kind: str
    subject_id: str
    made_at: datetime
    next_at: datetime | None = None
    delivered_at: datetime | None = None
    given_up_at: datetime | None = None
    tries: tuple[DeliveryTry, ...] = ()


class WebhookTest(Answer):
    """The delivery that tests a webhook."""

    delivery_id: str


class Webhooks(Noun):
    """Register endpoints and look at what was delivered to them."""

    def list(self) -> Iterator[Webhook]:
        """Yield the webhooks of one's organisation, newest first."""
        return self._list(Webhook, address("webhooks"))

    def get(self, webhook_id: str) -> Webhook:
        """Return one webhook."""
        return self._get(Webhook, address("webhooks", webhook_id))

    def register(self, *, url: str, kinds: Sequence[str]) -> WebhookSecret:
        """Send notices of these kinds to an https address from now on; the secret is shown this once."""
        return self._post(WebhookSecret, address("webhooks"), json={"url": url, "kinds": [*kinds]})

    def rotate_secret(self, webhook_id: str) -> WebhookSecret:
        """Make a new secret; the one before also signs for a day."""
        return self._post(WebhookSecret, address("webhooks", webhook_id, "secret"))

    def enable(self, webhook_id: str) -> None:
        """Switch a webhook on again."""
        self._do("POST", address("webhooks", webhook_id, "enable"))

    def delete(self, webhook_id: str) -> None:
        """Send nothing to it any more."""
        self._do("DELETE", address("webhooks", webhook_id))

    def send_test(self, webhook_id: str) -> WebhookTest:
        """Deliver a notice that tells nothing to it."""
        return self._post(WebhookTest, address("webhooks", webhook_id, "test"))

    def list_deliveries(self, webhook_id: str) -> Iterator[WebhookDelivery]:
        """Yield what was sent to it, newest first."""
        return self._list(WebhookDelivery, address("webhooks", webhook_id, "deliveries"))

    def send_again(self, webhook_id: str, delivery_id: str) -> None:
        """Send a delivery once more, under the same id."""
        self._do("POST", address("webhooks", webhook_id, "deliveries", delivery_id, "again"))
