"""Writes of the runs room, by noun."""
