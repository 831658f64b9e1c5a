"""The one database file of a machine: who writes to it, and in which order it becomes safe.

It knows nothing of jobs; what is written is the business of the rooms above.
"""
