"""The door of funding."""

from lilong.platforms.funding.core.rules import EARMARK, Choice, VoucherFacts, VoucherRule
from lilong.platforms.funding.core.split import Share, Split, split_due
from lilong.platforms.funding.queries import (
    ProgrammeView,
    VoucherView,
    find_programmes,
    list_programmes,
    list_usable,
    list_vouchers,
)
from lilong.platforms.funding.services.programmes import create_programme, fund_programme, publish_rule
from lilong.platforms.funding.services.vouchers import issue_voucher, return_expired

__all__ = [
    "EARMARK",
    "Choice",
    "ProgrammeView",
    "Share",
    "Split",
    "VoucherFacts",
    "VoucherRule",
    "VoucherView",
    "create_programme",
    "find_programmes",
    "fund_programme",
    "issue_voucher",
    "list_programmes",
    "list_usable",
    "list_vouchers",
    "publish_rule",
    "return_expired",
    "split_due",
]
