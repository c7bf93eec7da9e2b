"""Reads of the record, by noun."""
