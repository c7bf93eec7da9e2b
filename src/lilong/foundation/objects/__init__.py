"""Content-addressed bytes: resumable uploads, quota, holds, retention, links."""
