"""What operators can ask of forge-gw."""

from hivecommon.application import Endpoints
from hivecommon.contracts.forge import (
    CheckForgeNews,
    ForgeAccountReply,
    ForgeNews,
    ForgeRemoved,
    ForgeStatus,
    ForgeWorkReply,
    GetForgeStatus,
    GetForgeWork,
    ProvisionForge,
    RemoveForgeAccount,
    RotateForgeToken,
)
from hivecommon.errors import HiveError
from hivecommon.names import AgentName
from hivecommon.service import Call

from hive_forge_gw.gateway import Gateway
from hive_forge_gw.standing import Standing
from hive_forge_gw.store import Store
from hive_forge_gw.work import open_work


class Desk:
    """Answers `hive.forge.*`."""

    def __init__(self, gateway: Gateway, standing: Standing, store: Store) -> None:
        self._gateway = gateway
        self._standing = standing
        self._store = store

    def endpoints(self) -> Endpoints:
        """Return what is answered by what."""
        return {
            GetForgeStatus: self.status,
            ProvisionForge: self.provision,
            RotateForgeToken: self.rotate,
            CheckForgeNews: self.news,
            GetForgeWork: self.work,
            RemoveForgeAccount: self.remove,
        }

    async def status(self, _call: Call, _request: GetForgeStatus) -> ForgeStatus:
        """Show how things stand, with no question to the forge."""
        return self._standing.show(self._store)

    async def provision(self, _call: Call, request: ProvisionForge) -> ForgeAccountReply:
        """Check an account and repair it."""
        await self._gateway.provision(request.name)
        return self._account(request.name)

    async def rotate(self, _call: Call, request: RotateForgeToken) -> ForgeAccountReply:
        """Give an agent a new token; the reply holds its last eight characters."""
        await self._gateway.rotate(request.name)
        return self._account(request.name)

    async def news(self, _call: Call, request: CheckForgeNews) -> ForgeNews:
        """Look for notifications."""
        return ForgeNews(delivered=await self._gateway.look(request.name))

    async def work(self, _call: Call, request: GetForgeWork) -> ForgeWorkReply:
        """List what is open."""
        return await open_work(self._gateway.forge(), self._gateway.known(request.name))

    async def remove(self, _call: Call, request: RemoveForgeAccount) -> ForgeRemoved:
        """Delete the account of an agent that is gone."""
        forge = self._gateway.forge()
        if self._gateway.has_state(request.name):
            raise HiveError(
                f"the state of {request.name} is still there", code="account_in_use",
                hint=f"`hive destroy --purge {request.name}` removes both",
            )  # fmt: skip
        return ForgeRemoved(changed=await self._gateway.drop(forge, request.name))

    def _account(self, agent: AgentName) -> ForgeAccountReply:
        delivered = self._store.count_delivered().get(agent, 0)
        return ForgeAccountReply(account=self._standing.show_account(self._store, agent, delivered))
