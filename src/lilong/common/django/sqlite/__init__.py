"""Django's SQLite backend with WAL and IMMEDIATE transactions."""
