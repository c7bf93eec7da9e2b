"""Engines that run attempts: one port, one adapter per kind of machine."""
