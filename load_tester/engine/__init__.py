"""Carries images to a target at their moments and writes down what happened to each.

Nothing here computes a figure; what it leaves behind is one record for each image.
"""
