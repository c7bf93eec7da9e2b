"""The embedded engine: one machine, one detached shim per rank, a spool folder per attempt."""
