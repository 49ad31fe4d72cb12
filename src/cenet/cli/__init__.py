"""The command line: parses, calls, prints. No computation happens here."""
