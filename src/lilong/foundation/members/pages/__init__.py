"""Pages of people: what allauth asks of a hub, and what a hub adds to it."""
