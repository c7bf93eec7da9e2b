"""Pages of programmes: who is entitled to which vouchers, and why."""
