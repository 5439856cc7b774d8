"""The command line: arguments, printing, exit codes. What it does is in `tformer.model`."""
