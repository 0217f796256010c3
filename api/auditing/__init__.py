"""An audit log that answers: reports, reviews, unusual access, exports, and sending it on."""
