"""Mail by patient: everything about one, by episode, and who cared for whom."""
