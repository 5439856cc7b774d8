"""The methods of `tformer.v1.AdminService`."""

from __future__ import annotations

from tformer.protos.v1 import admin_pb2 as pb
from tformer.server.calls import Call
from tformer.server.models import Models, Reloaded
from tformer.server.status import status_of


class AdminService:
    """Looks after a server."""

    def __init__(self, models: Models) -> None:
        """A service for these models."""
        self._models = models

    async def reload_models(
        self, request: pb.ReloadModelsRequest, call: Call
    ) -> pb.ReloadModelsResponse:
        """Load again the models whose files have changed."""
        reloaded = await self._models.reload()
        call.notes["replaced"] = [each.name for each in reloaded if each.replaced]
        return pb.ReloadModelsResponse(models=[self._message(each) for each in reloaded])

    def _message(self, reloaded: Reloaded) -> pb.ReloadedModel:
        return pb.ReloadedModel(
            name=reloaded.name,
            replaced=reloaded.replaced,
            fingerprint=self._models.find(reloaded.name).fingerprint,
            error=status_of(reloaded.error) if reloaded.error else None,
        )
