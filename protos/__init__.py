"""The gRPC contract: `.proto` files and the code generated from them by `generate`."""
