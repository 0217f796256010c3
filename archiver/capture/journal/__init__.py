"""Journal reports: the envelope part read, the reported message found."""
