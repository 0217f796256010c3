"""The SMTP and LMTP door: framing, sessions, TLS, the way to the archive."""
