"""Programs that knet brings along as images."""
