"""Whether Slurm lets users have the accounts and qualities of service that their jobs may go to. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lilong.agent.engines.slurm.charging import Charges
from lilong.agent.engines.slurm.parsing import whole_lines
from lilong.common.errors import FieldProblem


@dataclass(frozen=True, slots=True)
class Association:
    """That a user may submit under an account, with which qualities of service."""

    user: str
    account: str
    qos: frozenset[str]


@dataclass(frozen=True, slots=True, order=True)
class Charging:
    """Under which account and quality of service jobs of a user go; empty where the user's own default is meant."""

    user: str
    account: str
    qos: str


@dataclass(frozen=True, slots=True)
class Associations:
    """What slurmdbd knows: associations of the users asked for, and all accounts and qualities of service by name."""

    found: tuple[Association, ...]
    accounts: frozenset[str]
    qos: frozenset[str]


def parse_associations(*, text: str, partition: str) -> tuple[Association, ...]:
    r"""Return the associations that count in a partition; what is no association is left out.

    >>> parse_associations(text="lu1|bc||gold,normal\nlu1|bc|high|gold\n", partition="main")[0].account
    'bc'
    >>> len(parse_associations(text="lu1|bc||normal\nlu1|bc|high|gold\nlu1\n", partition="high"))
    2
    """
    rows = [line.split("|") for line in whole_lines(text=text)]
    return tuple(
        Association(user=row[0], account=row[1], qos=frozenset(filter(None, row[3].split(","))))
        for row in rows
        if len(row) == len(("user", "account", "partition", "qos")) and row[2] in {"", partition}
    )


def list_chargings(*, users: Mapping[str, str], service_users: Sequence[str], charges: Charges) -> tuple[Charging, ...]:
    """Return every account and quality of service that jobs may be submitted under, as the settings say, by user.

    A service user may come to work for any organisation that is mapped to no user of its own, and every programme may
    pay for any organisation. Cost: linear in users, organisations and programmes multiplied.

    >>> charges = Charges(account="pool", accounts_by_programme={"prg_1": "city"})
    >>> list_chargings(users={"org_1": "lu1"}, service_users=[], charges=charges)
    (Charging(user='lu1', account='city', qos=''), Charging(user='lu1', account='pool', qos=''))
    """
    unmapped = ("", *sorted(charges.organisations - {*users}))
    workers = [(user, organisation) for organisation, user in users.items()]
    workers += [(user, organisation) for user in service_users for organisation in unmapped]
    found = {
        Charging(user, *charges.choose(organisation_id=organisation, charge_code=programme))
        for user, organisation in workers
        for programme in ("", *charges.programmes)
    }
    return tuple(sorted(found))


def judge_chargings(
    *, chargings: Collection[Charging], known: Associations, enforces_qos: bool
) -> Iterator[FieldProblem]:
    """Yield what Slurm would not let users have, each account and quality of service once, with what makes it."""
    without_account: dict[str, list[str]] = {}
    without_qos: dict[tuple[str, str], list[str]] = {}
    for charging in chargings:
        account = charging.account.lower()  # as Slurm keeps it
        mine = [one for one in known.found if one.user == charging.user and account in {"", one.account}]
        if not mine:
            without_account.setdefault(account, []).append(charging.user)
        elif enforces_qos and charging.qos and not any(charging.qos.lower() in one.qos for one in mine):
            without_qos.setdefault((account, charging.qos.lower()), []).append(charging.user)
    for account, users in without_account.items():
        yield _explain_account(account, sorted(set(users)), known)
    for (account, qos), users in without_qos.items():
        yield _explain_qos(qos, account, sorted(set(users)), known)


def _explain_account(account: str, users: Sequence[str], known: Associations) -> FieldProblem:
    names = ",".join(users)
    if not account:
        message = f"No account in Slurm: `sacctmgr add user {names} account=ACCOUNT`."
        return FieldProblem(path="service_users", code="agent.member_without_account", message=message)
    first = "" if account in known.accounts else f"`sacctmgr add account {account}`, then "
    message = (
        f"Slurm lets {names} submit under no account {account}: {first}`sacctmgr add user {names} account={account}`."
    )
    return FieldProblem(path="account", code="agent.account_missing", message=message)


def _explain_qos(qos: str, account: str, users: Sequence[str], known: Associations) -> FieldProblem:
    names = ",".join(users)
    first = "" if qos in known.qos else f"`sacctmgr add qos {qos}`, then "
    where = f"where account={account} " if account else ""
    message = (
        f"Slurm lets {names} submit with no quality of service {qos}: "
        f"{first}`sacctmgr modify user {names} {where}set qos+={qos}`."
    )
    return FieldProblem(path="qos", code="agent.qos_missing", message=message)
