"""Content-addressed bytes: resumable upload, quota, retention, scoped links."""
