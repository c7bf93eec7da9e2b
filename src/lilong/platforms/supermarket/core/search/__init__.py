"""Search of the shelf: the language, the columns in which offers are kept, and the answer. Pure."""
