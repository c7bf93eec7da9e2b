"""Organisations, people, roles, tokens, secrets."""
