"""Reads of the supermarket, by noun."""
