"""The door of funding: programmes and vouchers. `orders` stands beside it, for rooms that sell."""

from lilong.platforms.funding.core.rules import VoucherRule
from lilong.platforms.funding.queries import (
    ProgrammeView,
    VoucherView,
    find_programmes,
    list_programmes,
    list_vouchers,
)
from lilong.platforms.funding.services.programmes import create_programme, fund_programme
from lilong.platforms.funding.services.publishing import propose_rule
from lilong.platforms.funding.services.vouchers import issue_voucher, return_expired

__all__ = [
    "ProgrammeView",
    "VoucherRule",
    "VoucherView",
    "create_programme",
    "find_programmes",
    "fund_programme",
    "issue_voucher",
    "list_programmes",
    "list_vouchers",
    "propose_rule",
    "return_expired",
]
