"""Reads of the runs room, by noun."""
