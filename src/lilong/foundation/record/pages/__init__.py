"""Pages of the record: one query call each, then a template. Of others' entries they show what the feed tells."""
