"""The `lilong` command: user commands speak HTTP through the SDK, operator commands start the hub's processes."""
