"""What became of a programme's money until a moment, as the hub answers it."""

from datetime import datetime

from lilong.sdk.noun import Answer


class ProgrammeFlows(Answer):
    """What moved until a moment, what was held at it, and what is left: in the fund, on vouchers, free of holds."""

    granted_uc: int
    withdrawn_uc: int
    recovered_uc: int
    returned_uc: int
    issued_uc: int
    expired_uc: int
    spent_uc: int
    given_back_uc: int
    reserved_uc: int
    held_uc: int
    fund_uc: int
    vouchers_uc: int
    free_uc: int


class ProgrammeLine(ProgrammeFlows):
    """The same with how many vouchers of how many members."""

    vouchers: int
    members: int


class ProgrammeVersion(ProgrammeLine):
    """Vouchers of one version of the rule."""

    version: int
    sha256: str
    published_at: datetime


class ProgrammeMember(ProgrammeLine):
    """Vouchers of one member."""

    organisation_id: str


class ProgrammeMonth(ProgrammeFlows):
    """What moved in one month of UTC."""

    month: str


class ProgrammeRefused(Answer):
    """How many applications were refused, and how many quotes a voucher was kept out of."""

    applications: int
    quotes: int


class ProgrammeClause(ProgrammeRefused):
    """The same by a clause of one version of the rule."""

    version: int
    code: str


class ProgrammeReport(Answer):
    """What became of a programme's money until a moment."""

    form: str
    programme_id: str
    name: str
    at: datetime
    total: ProgrammeLine
    versions: tuple[ProgrammeVersion, ...]
    organisations: tuple[ProgrammeMember, ...]
    months: tuple[ProgrammeMonth, ...]
    refused: tuple[ProgrammeClause, ...]
    related_parties: ProgrammeRefused
