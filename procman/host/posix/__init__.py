"""What Linux and macOS have in common: processes and their ends, named pipes, terminals, rights."""
