"""`tformer health`: the health of a server, for containers and scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

DEFAULT = "127.0.0.1:50051"


def health(
    address: Annotated[
        str | None,
        Argument(
            metavar="[HOST:PORT|unix:PATH]",
            help=f"Address of the server; without it, that of TFORMER_SERVE_LISTEN, or {DEFAULT}.",
        ),
    ] = None,
    service: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Service that is asked about; tformer.v1.TranslationService/MODEL is a model.",
        ),
    ] = "",
    timeout: Annotated[
        float, Option(metavar="SECONDS", help="Seconds to wait for an answer.")
    ] = 5.0,
    server_ca: Annotated[
        Path | None, Option(metavar="PEM", help="CA of the server's certificate; turns TLS on.")
    ] = None,
    server_name: Annotated[
        str | None, Option(metavar="NAME", help="Name in the certificate, if not the host's.")
    ] = None,
) -> None:
    """Ask a server whether it serves.

    Exit status 0 if it does, else 8. Needs no token.
    """
    from tformer.server.access.address import Address
    from tformer.server.client.health import check_health
    from tformer.server.reach import reachable

    listens = Address.parse(address or os.environ.get("TFORMER_SERVE_LISTEN") or DEFAULT)
    check_health(
        str(reachable(listens)), service=service, timeout=timeout, ca=server_ca, name=server_name
    )
    print("SERVING")
