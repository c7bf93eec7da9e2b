"""One paid job, played from an empty folder to verified exports, over the public API."""
