"""One event loop that owns every app's state: feeds `step`, performs its actions, tells who listens."""
