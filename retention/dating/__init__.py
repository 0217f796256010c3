"""Each message's disposal date: found, kept up to date, explained."""
