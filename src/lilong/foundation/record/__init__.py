"""The append-only transparency log of what was decided."""
