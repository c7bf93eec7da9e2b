"""Events waiting for delivery, leases, answers kept for repeated requests. What runs is wired in `web/`."""
