"""What pytest must not import: `make fuzz` installs what it needs."""

collect_ignore = ["fuzz_service.py"]
