"""The ledger's decisions: plain data in, plain data out."""
