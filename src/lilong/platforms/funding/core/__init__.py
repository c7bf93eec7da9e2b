"""Decisions about public money: pure, handed everything they need."""
