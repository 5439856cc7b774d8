"""The server: gRPC and HTTP in, engine out.

lifecycle                     start, reload, drain, stop
rpc/                          services, one method per RPC; messages <-> types
http/                         the same service over HTTP, as other tools speak it
client/                       the other side; needs no torch
models                        loading and hot replacement of models
scheduling                    the engines' scheduler for asyncio
admission                     admission control
translation_cache             LRU cache of translations
glossaries/                   glossaries by name, and those of requests
access/                       addresses, TLS, authentication and authorisation
observability/                metrics, logs, traces
status                        errors <-> status codes
"""
