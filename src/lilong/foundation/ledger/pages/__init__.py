"""Pages of the books: an organisation's accounts and their statements."""
