"""Reads of the books, a file per noun."""
