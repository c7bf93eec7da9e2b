"""Every decision about runs, attempts, metering and checks, as pure functions."""
