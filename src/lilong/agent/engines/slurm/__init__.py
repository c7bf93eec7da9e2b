"""The Slurm engine: one cluster behind its own command-line programs, one native job per attempt."""
