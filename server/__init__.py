"""The gRPC server: gRPC in, engine out.

    lifecycle                     start, reload, drain, stop
    service · admin               one method for each rpc
    markup                        HTML through a service of plain text
    calls                         what all calls share: who calls, in what words, with what result
    messages · status             messages <-> types, errors <-> status
    models                        what is loaded, and how it is replaced
    workers · worker              as many threads as engines; one of them, around its engine
    jobs                          what a worker has to do, and how it is told that it is done
    fairness · admission          whose turn it is; how much is let in
    streams                       many items in work, a bounded number read ahead
    cache                         translations that have been made before
    access · address              who may come in, and from where
    metrics · logs · telemetry    what is seen from outside
    client · daemon               the other side; a server that keeps a model warm for its user
    daemon_files                  where that one is found

The other side needs no torch.
"""
