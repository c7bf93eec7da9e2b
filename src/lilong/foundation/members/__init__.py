"""Organisations, people, roles, tokens and secrets."""
