"""The bank's statements: read, matched with what was asked to be paid, and reconciled with the books. Pure."""
