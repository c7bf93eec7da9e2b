"""The rules of notices: kinds and their texts, when mail is sent, what a webhook may reach. Plain data in and out."""
