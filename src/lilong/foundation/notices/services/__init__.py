"""Writes of notices, by noun."""
