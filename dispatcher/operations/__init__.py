"""What operators do from a command line: they ask a running service, or open its stores themselves.

Nothing here decides about jobs, and the service knows nothing of it.
"""
