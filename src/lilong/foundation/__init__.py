"""The foundation: outbox, record, objects, members, cases, ledger, runs; each may import only those before it."""
