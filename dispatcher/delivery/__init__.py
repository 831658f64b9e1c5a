"""Tells clients that their jobs have ended: webhooks, signed and retried.

It calls no address inside the network unless the operator allows it, and never decides when a job
ends.
"""
