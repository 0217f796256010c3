"""What people keep of their searches: saved searches and alerts, tags and notes on messages."""
