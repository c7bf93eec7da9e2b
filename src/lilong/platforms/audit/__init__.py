"""Audit packs: a closed period of the hub as one signed file that is checked without it."""
