"""A step replica: one process that runs one step of a pipeline behind HTTP.

Bytes in, bytes or JSON out, batching what waits. Nothing here knows who calls: this package
imports neither the dispatcher nor the load tester. ``contract`` is the only module that others
may import.
"""
