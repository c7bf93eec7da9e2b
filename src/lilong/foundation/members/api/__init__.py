"""Members over HTTP."""

from ninja import Router

from lilong.foundation.members.api import (
    consents,
    evidence,
    invitations,
    organisations,
    ownership,
    people,
    secrets,
    sign_ins,
    standings,
)

router = Router()
router.add_router("", sign_ins.router)  # first: /tokens/device is no id of a token
router.add_router("", organisations.router)
router.add_router("", secrets.router)
router.add_router("", invitations.router)
router.add_router("", standings.router)
router.add_router("", evidence.router)
router.add_router("", consents.router)
router.add_router("", ownership.router)
router.add_router("", people.router)
