"""One rank of an attempt on any engine: how it is launched, watched where it runs, and read."""
