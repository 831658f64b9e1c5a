"""Where jobs and their answers are kept: ``base`` is the contract, then one file per backend.

A store keeps records; it never decides when a job ends.
"""
