"""Words of notices in templates."""
