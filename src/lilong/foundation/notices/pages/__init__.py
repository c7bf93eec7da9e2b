"""Pages of notices: the inbox, what comes by mail, the webhooks of an organisation, and what did not arrive."""
