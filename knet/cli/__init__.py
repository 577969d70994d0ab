"""The `knet` command: one file for each subcommand, imported when it is run."""
