"""Version 1 of the contract, the package `tformer.v1`."""
