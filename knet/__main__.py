"""`python -m knet`."""

from knet.cli.main import main

main()
