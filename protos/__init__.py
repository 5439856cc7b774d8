"""The home of the gRPC contract: `.proto` files and the code generated from them. Still empty."""
