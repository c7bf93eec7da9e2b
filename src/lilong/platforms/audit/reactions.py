"""What makes packs without a request: a loop of its own, since one may take long."""

from lilong.platforms.audit.services.packs import make_packs

__all__ = ["make_packs"]
