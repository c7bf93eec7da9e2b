"""Lilong: the operating platform of a public AI hub."""

from importlib.metadata import version

__version__ = version("lilong")
