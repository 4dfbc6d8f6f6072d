"""Accounts of people: passwords, sessions, their own tokens, and what is recorded."""
