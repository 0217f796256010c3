"""The migrations, in order of their numbers."""

BREAK = "\n-- next\n"
"""Line between statements of a frozen script: a trigger's body has semicolons of its own."""
