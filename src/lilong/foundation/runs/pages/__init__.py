"""Pages of runs: logs, live and as they stand, and the files that a job left."""
