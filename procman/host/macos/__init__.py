"""macOS: kqueue, and the services of launchd. Never run on a Mac."""
