"""Text of attachments: readers of file formats, run in a child process that can do nothing else."""
