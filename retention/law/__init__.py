"""What the law says: the schedules as data, read and checked."""
