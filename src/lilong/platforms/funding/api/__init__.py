"""Programmes and vouchers over HTTP."""

from ninja import Router

from lilong.platforms.funding.api import claw_backs, programmes, publishing

router = Router()
router.add_router("", programmes.router)
router.add_router("", publishing.router)
router.add_router("", claw_backs.router)
