"""Certificates, keys, revocation lists and the TLS contexts made of them."""
