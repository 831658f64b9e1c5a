"""Connections to the servers that several dispatchers share: RabbitMQ, Redis, an object store.

Each opens itself in the background, says why it is not open, and gives every call a deadline. What
jobs, results and images are is never known here.
"""
