"""Measurements, side by side in one run, because machines are noisy: read the ratios.

``./setup.sh bench`` runs all of them, ``./setup.sh bench NAME…`` some. Nothing here is a test.
"""
