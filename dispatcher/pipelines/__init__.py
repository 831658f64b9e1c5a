"""What a client asked for, as data: pipelines, their stages and params.

No replica, process or connection is known here.
"""
