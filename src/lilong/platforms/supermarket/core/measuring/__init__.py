"""What is measured of an offer, by which method, and what the hub makes of the report."""
