"""Which replicas should run, and making it so.

``configmap`` is the record of a step, ``discovery`` turns records into pools, ``local`` starts
child processes and writes their records.
"""
