"""What a run leaves behind, all of it made from one raw file: JSON, CSV, HTML and pictures."""
