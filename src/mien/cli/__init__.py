"""The command line: parses, calls verbs, prints."""
