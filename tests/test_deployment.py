"""The files in docs/deployment: what they start is what the command line takes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tformer.cli.app import app
from tformer.server.access.address import Address
from tformer.server.lifecycle import ServerOptions

yaml = pytest.importorskip("yaml")

FOLDER = Path(__file__).parent.parent / "docs" / "deployment"


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The options of `tformer serve` that a command line has, or an error of the command line."""
    serve = get_command(app).commands["serve"]  # type: ignore[attr-defined]
    with serve.make_context("serve", list(arguments)) as context:
        return dict(context.params)


def check(arguments: list[str]) -> dict[str, Any]:
    """Also what a server would refuse to be started with."""
    options = parsed(arguments)
    names = ("insecure", "open_metrics")
    ServerOptions(
        (),
        listen=Address.parse(options["listen"]),
        metrics=Address.parse(options["metrics"]),
        **{name: options[name] for name in names},
    )
    return options


# --- Dockerfile ----------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    text = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def of(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def test_the_image_starts_a_server_that_starts() -> None:
    program, command, *arguments = json.loads(of("ENTRYPOINT")[-1])
    assert (program, command) == ("tformer", "serve")
    options = check(arguments)
    exposed = set(of("EXPOSE")[0].split())
    assert {options["listen"].split(":")[1], options["metrics"].split(":")[1]} == exposed


def test_the_image_is_pinned_and_small_and_not_root() -> None:
    (base,) = (rest for rest in of("ARG") if rest.startswith("BASE="))
    assert re.search(r":[\d.]+", base), "a base without a version changes under one's feet"
    assert of("USER")[-1] not in ("root", "0")
    assert [name for name, _ in instructions()].index("USER") > max(
        i for i, (name, _) in enumerate(instructions()) if name == "RUN"
    )
    for command in of("RUN"):
        for install in re.findall(r"pip install[^&]*", command):
            assert "--no-cache-dir" in install
        assert "sudo" not in command and "apt-get upgrade" not in command
    assert not of("ADD"), "COPY does not unpack and does not fetch"
    assert not of("MAINTAINER")


# --- systemd -------------------------------------------------------------------------------------


def unit(key: str) -> str:
    (value,) = re.findall(rf"(?m)^{key}=(.*)$", (FOLDER / "tformer.service").read_text("utf-8"))
    return str(value)


def test_the_unit_starts_a_server_that_starts() -> None:
    _, command, *arguments = shlex.split(unit("ExecStart"))
    assert command == "serve"
    assert int(unit("TimeoutStopSec")) > check(arguments)["grace"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = (FOLDER / "tformer.service").read_text("utf-8")
    copy = tmp_path / "tformer.service"
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True
    )
    assert (done.stderr, done.returncode) == ("", 0)


# --- Kubernetes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


def test_the_service_finds_the_pods(manifest: dict[str, Any]) -> None:
    spec = manifest["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert manifest["Service"]["spec"]["selector"].items() <= labels.items()
    assert spec["selector"]["matchLabels"].items() <= labels.items()


def test_the_pod_starts_a_server_that_starts_and_is_asked_where_it_listens(
    manifest: dict[str, Any],
) -> None:
    template = manifest["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    options = check(json.loads(of("ENTRYPOINT")[-1])[2:] + container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["grpc"] == int(options["listen"].split(":")[1])
    assert ports["metrics"] == int(options["metrics"].split(":")[1])
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    assert manifest["Service"]["spec"]["ports"][0]["port"] == ports["grpc"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["grpc"]["port"] == ports["grpc"]
    assert template["spec"]["terminationGracePeriodSeconds"] > options["grace"]
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        assert mount["name"] in volumes
        assert str(options["tokens"]).startswith(mount["mountPath"])
