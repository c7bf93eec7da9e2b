"""Pure rules of organisations, roles and tokens."""
