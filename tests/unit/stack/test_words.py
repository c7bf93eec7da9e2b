"""Every code that people meet has a word, and the reference names it."""

from lilong.platforms.stack.core.claims import Confidence, Tier
from lilong.platforms.stack.core.properties import PROPERTIES
from lilong.platforms.stack.pages import words
from tests.architecture.house import REPOSITORY


def test_every_property_tier_and_confidence_has_a_word():
    assert set(words.PROPERTIES) == set(PROPERTIES)
    assert set(words.MEANINGS) <= set(PROPERTIES)
    assert set(words.TIERS) == set(words.TIER_CHOICES) == set(Tier)
    assert set(words.CONFIDENCES) == set(Confidence)


def test_the_reference_names_every_property_tier_and_confidence():
    reference = (REPOSITORY / "docs" / "reference" / "accelerators.md").read_text(encoding="utf-8")

    assert not [code for code in (*PROPERTIES, *Tier, *Confidence) if f"`{code}`" not in reference]
