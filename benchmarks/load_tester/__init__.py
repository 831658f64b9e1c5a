"""The load tester against a service that knows the truth: is what it reports right?

It is run as its user runs it, on a core of its own; the mock service of the tests has another.
"""
