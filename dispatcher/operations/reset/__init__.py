"""Sets right what runs on this machine: looks at it, empties its queue, restarts it in order."""
