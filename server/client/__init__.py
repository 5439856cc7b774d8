"""The other side: translate with a server as with a `Translator`, without torch.

    with Client("127.0.0.1:50051") as client:
        for translation in client.translate(lines, target="de"):
            print(translation.text)

Texts go through a stream, a bounded number of them ahead of the translation that is taken next.
When the server cannot answer now, because it restarts or its queue is full, what has not been
answered is sent again after a while.

    blocking · asynchronous   `Client` and `AsyncClient`: how it is sent and waited for
    documents                 messages of a document
    exchange                  what both say: what is sent, what is unanswered, what an answer means
    retries                   what a failure means, and when to try again
    connection · identity     whom they talk to, and who they are
"""

from tformer.server.client.asynchronous import AsyncClient
from tformer.server.client.blocking import Client
from tformer.server.client.connection import IN_FLIGHT, PATIENCE
from tformer.server.client.documents import TranslatedFile
from tformer.server.client.identity import Identity
from tformer.server.client.retries import Failure
from tformer.server.glossaries.wire import NamedGlossary

__all__ = [
    "IN_FLIGHT",
    "PATIENCE",
    "AsyncClient",
    "Client",
    "Failure",
    "Identity",
    "NamedGlossary",
    "TranslatedFile",
]
