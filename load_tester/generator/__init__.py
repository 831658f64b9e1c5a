"""Watches the load tester itself: what it could send at most, and whether it was disturbed."""
