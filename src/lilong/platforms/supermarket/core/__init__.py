"""Decisions of the shop: pure, handed everything they need."""
