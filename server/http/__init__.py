"""The HTTP side of the server: what other tools speak, through the functions that gRPC calls.

server                        listening, TLS, limits of connections, routes
options                       settings; needs no HTTP library
calls                         a request as `server.rpc.calls` sees it; failures as HTTP status
bodies, answers               parameters in, JSON and event streams out
backend                       service functions in the terms that all APIs share
libretranslate, deepl, google, openai, own, health, page
                              one API each
"""
