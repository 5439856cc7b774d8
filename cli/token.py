"""`tformer token`: who may use a server."""

from typing import Annotated

from typer import Argument

from tformer.cli import console
from tformer.model.errors import UsageError


def token(
    name: Annotated[str, Argument(metavar="NAME", help="Name of the token's owner.")],
) -> None:
    """Make a bearer token for `tformer serve --tokens`.

    Prints the lines for the file of tokens, which hold its hash; the token itself is printed on
    stderr, once.
    """
    from tformer.server.access.tokens import hash_token, new_token

    made = new_token()
    print(table_for(name, hash_token(made)))
    console.note(f"the token of {name}, which cannot be shown again: {made}")


def table_for(name: str, sha256: str) -> str:
    """The table of a token in the file of tokens.

    Raises:
        UsageError: the name needs quoting in TOML.
    """
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
        raise UsageError(f"a name has letters, digits, - and _ only, not {name!r}")
    return f'[tokens.{name}]\nsha256 = "{sha256}"\n'
