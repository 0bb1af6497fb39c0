"""Windows: job objects, output by files, its calls and its services. Never run on Windows."""
