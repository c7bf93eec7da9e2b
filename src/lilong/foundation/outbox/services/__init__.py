"""Writes of the outbox, by noun."""
