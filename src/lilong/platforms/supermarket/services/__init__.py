"""Writes of the supermarket, by noun."""
