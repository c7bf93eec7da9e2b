"""Pages of audit packs."""
