"""Programmes and the vouchers that they fund."""
