"""Which claims there can be, which of them comes first, and which contradict each other. Pure."""
