"""The warm daemon of one user: a server that keeps a model loaded, and how commands use it.

    control     start, stop, status; the client of a command that finds it
    files       paths of its sockets and its log
    prefork     process with warm imports that forks for every command
    delegate    client of that process

Linux only: it needs peer credentials, pidfd and descriptors over unix sockets.
"""
