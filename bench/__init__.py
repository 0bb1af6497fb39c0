"""Measurements of what a user waits for and pays for; nothing here is asserted by the tests."""
