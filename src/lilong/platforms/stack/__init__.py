"""What accelerators are and can do: claims with their sources."""
