"""Lilong: the operating platform of a public AI hub."""
