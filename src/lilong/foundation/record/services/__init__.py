"""Writes of the record, by noun."""
