"""Writes of members, by noun."""
