"""The door of the stack: what is claimed of accelerators, and where later rooms hand in what they measured."""

from lilong.platforms.stack.core.checks import Draft
from lilong.platforms.stack.core.claims import Claim, Confidence, Finding, Source, Tier
from lilong.platforms.stack.queries import COMPARED, ClaimView, Dossier, get_dossier, list_dossiers
from lilong.platforms.stack.services import hand_in_measurement

__all__ = [
    "COMPARED",
    "Claim",
    "ClaimView",
    "Confidence",
    "Dossier",
    "Draft",
    "Finding",
    "Source",
    "Tier",
    "get_dossier",
    "hand_in_measurement",
    "list_dossiers",
]
