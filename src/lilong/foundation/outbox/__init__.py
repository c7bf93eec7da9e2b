"""Events waiting for delivery, leases, dead letters, idempotency keys."""
