"""Takes jobs off the queue and carries them through their stages.

It knows pools, not processes, and no HTTP request of a client.
"""
