"""The hub as one object: `Lilong(url=…, token=…)` with a noun for each thing that it keeps."""

from types import TracebackType
from typing import Self

from lilong.sdk.accelerators import Accelerators
from lilong.sdk.audit_packs import AuditPacks
from lilong.sdk.cases import Cases
from lilong.sdk.consents import Consents
from lilong.sdk.evidence import Evidence
from lilong.sdk.invitations import Invitations
from lilong.sdk.invoices import Invoices
from lilong.sdk.members import Members
from lilong.sdk.notices import Notices
from lilong.sdk.objects import Objects
from lilong.sdk.orders import Orders
from lilong.sdk.organisations import Organisations
from lilong.sdk.people import People
from lilong.sdk.pools import Pools
from lilong.sdk.programmes import Programmes, Vouchers
from lilong.sdk.quotes import Quotes
from lilong.sdk.record import Record
from lilong.sdk.runs import Runs
from lilong.sdk.secrets import Secrets
from lilong.sdk.shelf import Offers, Providers
from lilong.sdk.spending import Budgets, Projects
from lilong.sdk.tokens import Tokens
from lilong.sdk.transport import Transport
from lilong.sdk.volumes import Volumes
from lilong.sdk.wallet import Wallet
from lilong.sdk.webhooks import Webhooks


class Lilong:
    """A hub as one token sees it. Safe to share between threads; close it or use it as a context manager.

    Every call raises the hub's error as a class of `lilong.common.errors`. Calls that need no token work without one.
    """

    def __init__(self, *, url: str, token: str = "") -> None:
        self._transport = Transport(url=url, token=token)
        self.accelerators = Accelerators(self._transport)
        self.audit_packs = AuditPacks(self._transport)
        self.budgets = Budgets(self._transport)
        self.cases = Cases(self._transport)
        self.consents = Consents(self._transport)
        self.evidence = Evidence(self._transport)
        self.invitations = Invitations(self._transport)
        self.invoices = Invoices(self._transport)
        self.members = Members(self._transport)
        self.notices = Notices(self._transport)
        self.objects = Objects(self._transport)
        self.offers = Offers(self._transport)
        self.orders = Orders(self._transport)
        self.organisations = Organisations(self._transport)
        self.people = People(self._transport)
        self.pools = Pools(self._transport)
        self.programmes = Programmes(self._transport)
        self.projects = Projects(self._transport)
        self.providers = Providers(self._transport)
        self.quotes = Quotes(self._transport)
        self.record = Record(self._transport)
        self.runs = Runs(self._transport)
        self.secrets = Secrets(self._transport)
        self.tokens = Tokens(self._transport)
        self.volumes = Volumes(self._transport)
        self.vouchers = Vouchers(self._transport)
        self.wallet = Wallet(self._transport)
        self.webhooks = Webhooks(self._transport)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
