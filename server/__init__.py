"""The home of the gRPC server: one worker around the engine of `tformer.model`. Still empty."""
