"""The supermarket over HTTP."""

from ninja import Router

from lilong.platforms.supermarket.api import orders, replays, search, shelf, statements

router = Router()
router.add_router("", shelf.router)
router.add_router("", search.router)
router.add_router("", orders.router)
router.add_router("", statements.router)
router.add_router("", replays.router)
