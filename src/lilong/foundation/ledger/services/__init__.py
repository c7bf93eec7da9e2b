"""What changes the books, a file per noun."""
