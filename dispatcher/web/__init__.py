"""The page: files that a browser shows, made of ``source`` by ``./setup.sh page`` into ``built``.

It speaks the public API like any other client, so nothing here knows of jobs, queues or replicas.
"""
