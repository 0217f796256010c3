"""The IMAP door: mailboxes read by EXAMINE, checkpoints only after durability."""
