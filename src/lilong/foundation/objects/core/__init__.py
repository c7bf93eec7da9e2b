"""Pure decisions of the objects room."""
