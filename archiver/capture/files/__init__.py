"""The file door: mbox, Maildir, EML, EMLX, ZIP, tar, MSG and PST, item by item."""
