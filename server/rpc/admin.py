"""The methods of `tformer.v1.AdminService`."""

from __future__ import annotations

from tformer.protos.v1 import admin_pb2 as pb
from tformer.server.glossaries.catalog import Glossaries
from tformer.server.models import Models
from tformer.server.rpc.calls import Call
from tformer.server.sources import Reloaded
from tformer.server.status import status_of


class AdminService:
    """Looks after a server."""

    def __init__(self, models: Models, glossaries: Glossaries | None = None) -> None:
        """A service for these models and glossaries."""
        self._models = models
        self._glossaries = glossaries or Glossaries()

    async def reload_models(
        self, request: pb.ReloadModelsRequest, call: Call
    ) -> pb.ReloadModelsResponse:
        """Load again the models and glossaries whose files have changed."""
        models, glossaries = await self._models.reload(), await self._glossaries.reload()
        call.notes["replaced"] = [each.name for each in (*models, *glossaries) if each.replaced]
        return pb.ReloadModelsResponse(
            models=[self._message(each) for each in models],
            glossaries=[self._glossary_message(each) for each in glossaries],
        )

    def _message(self, reloaded: Reloaded) -> pb.ReloadedModel:
        return pb.ReloadedModel(
            name=reloaded.name,
            replaced=reloaded.replaced,
            fingerprint=self._models.find(reloaded.name).fingerprint,
            error=status_of(reloaded.error) if reloaded.error else None,
        )

    def _glossary_message(self, reloaded: Reloaded) -> pb.ReloadedGlossary:
        return pb.ReloadedGlossary(
            name=reloaded.name,
            replaced=reloaded.replaced,
            fingerprint=self._glossaries.find(reloaded.name).fingerprint,
            error=status_of(reloaded.error) if reloaded.error else None,
        )
