"""Image bytes by digest: ``base`` is the contract, then one file per backend.

Content-addressed, so that the same image is kept once however often it is sent.
"""
