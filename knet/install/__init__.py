"""knet on a cluster: what to install (pure), and the shell that applies it, waits, prunes and looks after it."""
