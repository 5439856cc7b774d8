"""The whole program as one object, for what reads all of it: the reference is made of it."""

from tformer.cli.commands import application

app = application()
