"""Pages of notices: the inbox, what comes by mail, and the webhooks of an organisation."""
