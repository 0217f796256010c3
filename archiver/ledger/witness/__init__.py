"""A witness of logs (c2sp.org/tlog-witness): remembers how far each had come, cosigns what continues it.

It needs no archive and no database, only a small folder of its own, best on another host under other hands.
"""
