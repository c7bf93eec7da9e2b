"""Notices: what people wait for, told in the hub, by mail and to programs by signed webhooks."""
