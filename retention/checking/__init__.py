"""What `holdfast verify` asks of the law's side: did people decide what stands decided, are dates right."""
