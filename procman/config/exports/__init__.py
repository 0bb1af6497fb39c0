"""The apps as files of another tool: each module writes one format, and says what has no place in it."""
