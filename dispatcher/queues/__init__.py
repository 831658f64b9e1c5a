"""Where accepted jobs wait: ``base`` is the contract, then one file per backend.

A queue holds job ids and their order. What a job is lives in ``results``, its bytes in ``blobs``.
"""
