"""What hub, agent and SDK say to each other. No Django, no IO beyond reading package data at import."""
