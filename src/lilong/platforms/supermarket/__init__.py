"""Providers, offers, quotes, orders: the computing power supermarket."""
