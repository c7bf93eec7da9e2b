"""Pure rules of audit packs."""
