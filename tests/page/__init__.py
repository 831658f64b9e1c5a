"""The page as people use it: a real Chromium and a real service, nothing in between."""
