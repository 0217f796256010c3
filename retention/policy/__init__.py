"""The organisation's policy over the law: counsel's confirmations, own terms, previews of changes."""
