"""`python -m tformer.cli`: how `torchrun -m tformer.cli train ...` starts every process."""

from tformer.cli.entry import main

main()
