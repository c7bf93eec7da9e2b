"""What opens and decides cases."""
