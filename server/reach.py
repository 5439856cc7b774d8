"""Commands with which a server can be tried from the machine that it runs on."""

from __future__ import annotations

from tformer.server.access.address import Address

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Hosts that listen at all addresses, and the one at which this machine reaches them."""


def commands_for(
    address: Address, http: Address | None, target: str, *, tls: bool, tokens: bool
) -> list[str]:
    """Command lines that translate a sentence.

    Args:
        address: where gRPC listens.
        http: where HTTP listens; None if it does not.
        target: language to translate to.
        tls: whether a client needs the CA of the certificate.
        tokens: whether it needs a token.
    """
    token = "TFORMER_TOKEN=TOKEN " if tokens else ""
    ca = " --server-ca CA.pem" if tls else ""
    found = [
        f"echo Hello | {token}tformer translate --server {reachable(address)}{ca} -t {target}",
        f"tformer health {reachable(address)}{ca}",
    ]
    if http is not None:
        place = reachable(http)
        scheme = "https" if tls else "http"
        key = " -d api_key=TOKEN" if tokens else ""
        found.append(
            f"curl {scheme}://{place}/translate -d q=Hello -d source=auto -d target={target}{key}"
        )
    return found


def reachable(address: Address) -> Address:
    """Return the address at which this machine reaches a server that listens at one."""
    if address.path is not None:
        return address
    return Address(EVERYWHERE.get(address.host, address.host), address.port)
