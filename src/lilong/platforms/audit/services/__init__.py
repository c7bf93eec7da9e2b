"""Writes of audit packs."""
