"""Lilong's typed HTTP client. Start with `lilong.sdk.client.Lilong`."""
