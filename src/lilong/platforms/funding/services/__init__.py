"""Writes of funding, by noun."""
