"""Pages of the supermarket: one service or query call each, then a template."""
