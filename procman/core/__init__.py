"""The life of an app as data: no clock, no I/O, no logging, no randomness, no threads."""
