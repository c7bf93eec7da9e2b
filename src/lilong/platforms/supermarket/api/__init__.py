"""The supermarket over HTTP."""

from ninja import Router

from lilong.platforms.supermarket.api import (
    invoices,
    measuring,
    orders,
    programme_reports,
    replays,
    reputation,
    search,
    shelf,
    spending,
    starts,
    statements,
)

router = Router()
router.add_router("", shelf.router)
router.add_router("", search.router)
router.add_router("", starts.router)
router.add_router("", orders.router)
router.add_router("", spending.router)
router.add_router("", measuring.router)
router.add_router("", reputation.router)
router.add_router("", statements.router)
router.add_router("", invoices.router)
router.add_router("", replays.router)
router.add_router("", programme_reports.router)
