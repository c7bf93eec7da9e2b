"""Accounts, two-phase transfers, escrow."""
