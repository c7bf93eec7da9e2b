"""Pages of the outbox: one service or query call each, then a template."""
