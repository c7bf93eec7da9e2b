"""Under which account and quality of service of Slurm a job goes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Charges:
    """The operator's choice: by programme, which is the job's charge code, else by organisation, else for all others.

    account, qos: empty where the default of the job's user is meant. Accounts and qualities are chosen each by itself.
    """

    account: str = ""
    qos: str = ""
    accounts_by_organisation: Mapping[str, str] = field(default_factory=dict[str, str])
    accounts_by_programme: Mapping[str, str] = field(default_factory=dict[str, str])
    qos_by_organisation: Mapping[str, str] = field(default_factory=dict[str, str])
    qos_by_programme: Mapping[str, str] = field(default_factory=dict[str, str])

    def choose(self, *, organisation_id: str, charge_code: str) -> tuple[str, str]:
        """Return account and quality of service of a job; public money's own limits come first.

        >>> charges = Charges(accounts_by_organisation={"org_1": "bc"}, accounts_by_programme={"prg_1": "city"})
        >>> charges.choose(organisation_id="org_1", charge_code="prg_1")
        ('city', '')
        >>> charges.choose(organisation_id="org_1", charge_code="")
        ('bc', '')
        """
        account = self.accounts_by_organisation.get(organisation_id, self.account)
        qos = self.qos_by_organisation.get(organisation_id, self.qos)
        return self.accounts_by_programme.get(charge_code, account), self.qos_by_programme.get(charge_code, qos)

    @property
    def organisations(self) -> frozenset[str]:
        """Those that have an account or quality of service of their own."""
        return frozenset({*self.accounts_by_organisation, *self.qos_by_organisation})

    @property
    def programmes(self) -> frozenset[str]:
        """Those that have an account or quality of service of their own."""
        return frozenset({*self.accounts_by_programme, *self.qos_by_programme})
