"""A plugin of amqtt: everybody may come in, and is no anonymous client, for which it would keep nothing."""
from amqtt.plugins.base import BaseAuthPlugin


class Everybody(BaseAuthPlugin):
    async def authenticate(self, *, session):
        return True
