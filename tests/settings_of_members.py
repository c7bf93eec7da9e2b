"""An organisation that keeps something on each page of its settings, and a viewer in it who keeps nothing."""

from datetime import timedelta

from django.db import transaction

from lilong.common.ids import new_id
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.services.tokens import create_token
from lilong.foundation.members.services.vault import put_secret
from lilong.foundation.notices.models import DeliveryTry, Webhook
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.reactions import reconcile
from lilong.foundation.notices.services.inbox import mark_all_read
from lilong.foundation.notices.services.webhooks import register_webhook, send_test
from lilong.foundation.runs.services.volumes import create_volume, put_file
from tests.desks import browse_as
from tests.market import CREDIT, buy, found_buyer, open_stall, wallet_of
from tests.people import found_owner, join
from tests.pools import NOON, make_node, make_spec

GIB = 1024**3
KINDS = ["runs.run_failed", "supermarket.order_settled", "funding.voucher_expiring"]


class KeptThings:
    """What the organisation keeps."""

    def __init__(self) -> None:
        now = utc_now() - timedelta(minutes=3)
        open_stall(name="hall-2", accelerator="h100-sxm5", nodes=(make_node(h100_sxm5=8),), now=now)
        self.owner = found_buyer(wallet_uc=100 * CREDIT, now=now)
        self.newcomer = found_owner(now=now)
        self.viewer = join(self.owner, Role.VIEWER, now=now)
        for name in ("ci on lane-3", "月度对账脚本"):
            create_token(actor=self.owner, name=name, scopes=[Scope.READ, Scope.RUN], now=now)
        for name in ("HF_TOKEN", "S3_SECRET_ACCESS_KEY_OF_THE_ARCHIVE"):
            put_secret(actor=self.owner, name=name, value="never shown", now=now)
        self._fill_volume()
        self._add_webhooks()
        self._tell()

    def _fill_volume(self) -> None:
        now = utc_now() - timedelta(minutes=2)
        self.volume_id = create_volume(actor=self.owner, name="corpus-2", max_bytes=2 * GIB, now=now).id
        create_volume(actor=self.owner, name="checkpoints", max_bytes=50 * GIB, now=now)
        for path in ("README.md", "train/shard-000.parquet", "训练/标签 1.csv"):
            put_file(actor=self.owner, volume_id=self.volume_id, path=path, content=path.encode() * 999, now=now)
        spec = make_spec(
            name="tokenise",
            resources={"accelerator": "h100-sxm5", "accelerators": 1},
            inputs=[{"volume_id": self.volume_id, "mount": "data", "read_only": True}],
        )
        buy(self.owner, spec=spec, seconds=(now - NOON).total_seconds())

    def _add_webhooks(self) -> None:
        now = utc_now() - timedelta(minutes=2)
        urls = ("https://hooks.shu-robotics.example/lilong/notices?of=lane-hub", "https://old.example.org/hook")
        self.webhook_id, off_id = (
            register_webhook(actor=self.owner, url=url, kinds=KINDS, now=now).webhook_id for url in urls
        )
        delivery_id = send_test(actor=self.owner, webhook_id=self.webhook_id, now=now)
        refused = "10.0.0.7 lies in 10.0.0.0/8, which is not public."
        for number, (status, problem) in enumerate(((None, refused), (503, "It answered with an error."))):
            with transaction.atomic():
                DeliveryTry.objects.create(
                    id=new_id("try"),
                    delivery_id=delivery_id,
                    at=now + timedelta(seconds=number),
                    status=status,
                    problem=problem,
                    milliseconds=31 + number,
                )
        with transaction.atomic():
            Webhook.objects.filter(id=self.webhook_id).update(failing_since=now)
            Webhook.objects.filter(id=off_id).update(
                disabled_at=now, disabled_because="it answered that it is gone for good (410)."
            )
        self.off_id = off_id

    def _tell(self) -> None:
        now = utc_now() - timedelta(minutes=1)
        for number in range(5):
            with transaction.atomic():
                post_notice(
                    kind="supermarket.order_settled",
                    subject_id=f"ord_{number:032d}",
                    organisation_id=self.owner.organisation_id,
                    params={"name": "tokenise", "amount_uc": 6_857_114},
                    now=now,
                )
            reconcile(now=now)
            if number == 1:
                mark_all_read(actor=self.owner, now=now)

    def sign_in_all(self) -> dict[str, str]:
        """Return a session for each person: the value of its cookie."""
        people = {"owner": self.owner, "viewer": self.viewer, "newcomer": self.newcomer}
        return {name: browse_as(actor).session_key for name, actor in people.items()}

    def list_paths(self) -> dict[str, dict[str, str]]:
        """Return the pages of each person, by name."""
        empty = {
            "no secrets": "/organisation/secrets",
            "no volumes": "/organisation/volumes",
            "no webhooks": "/organisation/webhooks",
            "no notices": "/notices",
        }
        return {
            "owner": {
                "organisation": "/organisation",
                "tokens": "/organisation/tokens",
                "token made": "/organisation/tokens/made",
                "secrets": "/organisation/secrets",
                "secret replaced": "/organisation/secrets?name=HF_TOKEN",
                "volumes": "/organisation/volumes",
                "volume": f"/organisation/volumes/{self.volume_id}",
                "volume file": f"/organisation/volumes/{self.volume_id}/change?path=train/shard-000.parquet",
                "webhooks": "/organisation/webhooks",
                "webhook": f"/organisation/webhooks/{self.webhook_id}",
                "webhook off": f"/organisation/webhooks/{self.off_id}",
                "webhook secret": f"/organisation/webhooks/{self.webhook_id}/secret",
                "notices": "/notices",
                "unread": "/notices?shown=unread",
                "preferences": "/notices/preferences",
                "wallet": f"/wallet?account={wallet_of(self.owner)}",
            },
            "viewer": {
                "read secrets": "/organisation/secrets",
                "read volume": f"/organisation/volumes/{self.volume_id}",
            },
            "newcomer": empty,
        }
