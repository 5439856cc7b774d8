"""Generate the Python code of the contract: `python -m tformer.protos.generate`.

Needs grpcio-tools. The result is checked in; a test generates it again and compares.
"""

import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

ROOM = Path(__file__).parent

SOURCES = ("v1/translation.proto", "v1/admin.proto")


def generate(folder: Path) -> None:
    """Write `v1/*_pb2.py`, `*_pb2.pyi` and `*_pb2_grpc.py` below ``folder``.

    Raises:
        SystemExit: a `.proto` file has an error, which protoc has printed.
    """
    from grpc_tools import protoc

    with tempfile.TemporaryDirectory() as aside:
        # Generated modules import each other by the path of their .proto file, which is therefore
        # made to be that of the import package, not that of the folder.
        arguments = [
            f"--proto_path=tformer/protos={ROOM}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--proto_path={files('google.rpc') / '..' / '..'}",
            *(f"--{kind}_out={aside}" for kind in ("python", "pyi", "grpc_python")),
            *(f"tformer/protos/{source}" for source in SOURCES),
        ]
        if protoc.main(["protoc", *arguments]):
            sys.exit(1)
        shutil.copytree(Path(aside) / "tformer" / "protos", folder, dirs_exist_ok=True)


if __name__ == "__main__":
    generate(ROOM)
