"""Proofs that what was accepted is kept: whatever dies, and whenever.

``fake_step`` is a replica whose every answer can be checked by ``oracle``. ``load`` sends images as
real clients would and logs what it saw (``client_log``), ``dispatcher_process`` starts and kills
the service, ``checker`` compares the log with what became of every job.
"""
