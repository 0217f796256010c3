"""What patients’ requests and breaches share: their clocks, and the reminders of them."""
