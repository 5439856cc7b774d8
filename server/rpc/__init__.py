"""The services: RPC methods, messages, streams."""
