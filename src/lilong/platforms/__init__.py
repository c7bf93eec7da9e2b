"""Platforms: thin stories told with pay, run and record; each may import only those before it."""
