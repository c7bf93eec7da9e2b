"""Reads of notices, by noun."""
