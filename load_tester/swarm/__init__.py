"""The load tester under Locust: its curves, checks and step times, on one machine or many.

Only `pipeline_test` imports this: importing Locust makes Python's sockets and threads gevent's.
"""
