"""What macOS and Windows have in common: no `/proc`, but a list of all processes."""
