"""Requests that people or a published rule decide, with a clock and a reason."""
