"""A fast service in a process of its own that knows exactly when each of its jobs was done.

What a load tester reports can so be compared with what was true: both read the same clock of the
machine. Nothing here computes a figure of the load tester's.
"""
