"""Files of other tools: each module reads one format or writes one, and says what was lost on the way."""
