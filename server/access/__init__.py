"""Addresses, TLS, authentication and authorisation."""
