"""Tells clients that their jobs have ended: webhooks, signed and retried.

It never calls an address inside the network, and never decides when a job ends.
"""
