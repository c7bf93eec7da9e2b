"""Pages of cases: one service or query call each, then a template."""
