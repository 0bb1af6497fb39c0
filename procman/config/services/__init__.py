"""What makes a manager start with the machine: a unit of systemd, a property list of launchd."""
