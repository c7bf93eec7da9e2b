"""Pure rules of the outbox."""
