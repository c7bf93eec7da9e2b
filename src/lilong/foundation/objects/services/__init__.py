"""Writes of the objects room, by noun."""
