"""The command line: arguments read into settings, one file per command, what the terminal shows.

Nothing here is computed and nothing below knows that there is a terminal.
"""
