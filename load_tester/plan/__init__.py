"""Which image leaves when: schedules, curves, traces, and the moments within a second.

`demand` is what was asked for; `schedule`, `curves`, `custom` and `traces` each make one,
`reshaping` scales and repeats it, and `arrivals` turns it into a `plan`. Pure but for the files
that are read: nothing here knows the clock or the network.
"""
