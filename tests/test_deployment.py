"""The files in docs/deployment: what they start is what the command line takes."""

from __future__ import annotations

import importlib
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
from tformer.cli.health import DEFAULT
from tformer.server.access.address import Address
from tformer.server.lifecycle import ServerOptions
from tformer.server.reach import reachable

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


def environment() -> dict[str, str]:
    """The settings of `tformer serve` that the image has."""
    pairs = (pair.split("=", 1) for rest in of("ENV") for pair in rest.split())
    return {name: value for name, value in pairs if name.startswith("TFORMER_SERVE_")}


def check_in_image(monkeypatch: pytest.MonkeyPatch, **more: str) -> dict[str, Any]:
    for name, value in {**environment(), **more}.items():
        monkeypatch.setenv(name, value)
    program, *command = json.loads(of("ENTRYPOINT")[-1]) + json.loads(of("CMD")[-1])
    assert (program, *command) == ("tformer", "serve")
    return check([])


def test_the_image_starts_a_server_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    options = check_in_image(monkeypatch)
    assert of("HEALTHCHECK")[-1].endswith('CMD ["tformer", "health"]')
    assert str(reachable(Address.parse(options["listen"]))) == DEFAULT
    exposed = set(of("EXPOSE")[0].split())
    assert {options["listen"].split(":")[1], options["metrics"].split(":")[1]} == exposed


def test_the_image_is_pinned_and_small_and_not_root() -> None:
    (base,) = (rest for rest in of("ARG") if rest.startswith("BASE="))
    assert re.search(r":[\d.]+", base), "a base without a version changes under one's feet"
    assert int(of("USER")[-1]) > 0, "by number, so that Kubernetes can tell that it is not root"
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


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30",
         FOLDER / "tformer.service"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert unit("Type") == "notify" and int(unit("WatchdogSec")) > 0


# --- Kubernetes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    folder = FOLDER / "kubernetes"
    documents = (yaml.safe_load(path.read_text("utf-8")) for path in folder.iterdir())
    found = {document["kind"]: document for document in documents}
    named = set(found["Kustomization"]["resources"]) | {"kustomization.yaml"}
    assert named == {path.name for path in folder.iterdir()}
    return found


def test_the_service_finds_the_pods(manifest: dict[str, Any]) -> None:
    spec = manifest["Deployment"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert manifest["Service"]["spec"]["selector"].items() <= labels.items()
    assert spec["selector"]["matchLabels"].items() <= labels.items()


def test_the_pod_starts_a_server_that_starts_and_is_asked_where_it_listens(
    manifest: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    template = manifest["Deployment"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    (settings,) = manifest["Kustomization"]["configMapGenerator"]
    assert container["envFrom"] == [{"configMapRef": {"name": settings["name"]}}]
    options = check_in_image(monkeypatch, **dict(e.split("=", 1) for e in settings["literals"]))
    assert template["spec"]["securityContext"]["runAsUser"] == int(of("USER")[-1])
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
        if mount["name"] == "tokens":
            assert str(options["tokens"]).startswith(mount["mountPath"])
    assert container["securityContext"]["readOnlyRootFilesystem"]
    for kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert manifest[kind]["metadata"]["name"] == manifest["Deployment"]["metadata"]["name"]


def test_compose_has_settings_that_there_are_and_a_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    (service,) = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))["services"].values()
    options = check_in_image(monkeypatch, **service["environment"])
    assert options["http"].endswith(":8080")
    assert service["volumes"][0].split(":")[1] in of("VOLUME")
    assert service["build"]["dockerfile"] == "docs/deployment/Dockerfile"


def built(folder: str) -> list[dict[str, Any]]:
    """The objects that kustomize makes of a folder, each valid by the schemas of Kubernetes."""
    done = subprocess.run(["kubectl", "kustomize", FOLDER / folder], capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
@pytest.mark.parametrize("folder", ["kubernetes", "kubernetes-queue"])
def test_kustomize_builds_what_the_schemas_of_kubernetes_allow(folder: str) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    objects = {each["kind"]: each for each in built(folder)}
    assert "ConfigMap" in objects and len(objects) == 5
    for each in objects.values():
        kubernetes_validate.validate(each, "1.31", strict=True)
    objects["Deployment"]["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(objects["Deployment"], "1.31", strict=True)


@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl")
def test_pods_follow_a_metric_that_there_is() -> None:
    (scaler,) = (e for e in built("kubernetes-queue") if e["kind"] == "HorizontalPodAutoscaler")
    (metric,) = scaler["spec"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    rules = (FOLDER.parent / "scaling.md").read_text("utf-8")
    assert f"as: {name}}}" in rules
    metrics = FOLDER.parent.parent / "server" / "observability" / "metrics.py"
    assert f'"{name}"' in metrics.read_text("utf-8")


def test_envoy_knows_every_field() -> None:
    pytest.importorskip("envoy.config.bootstrap.v3.bootstrap_pb2", reason="needs xds-protos")
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
    from google.protobuf.json_format import ParseDict, ParseError

    for module in (
        "filters.network.http_connection_manager.v3.http_connection_manager_pb2",
        "filters.http.router.v3.router_pb2",
        "upstreams.http.v3.http_protocol_options_pb2",
    ):
        importlib.import_module(f"envoy.extensions.{module}")
    given = yaml.safe_load((FOLDER / "envoy.yaml").read_text("utf-8"))
    config = ParseDict(given, Bootstrap()).static_resources
    (place,) = config.clusters[0].load_assignment.endpoints[0].lb_endpoints
    address = place.endpoint.address.socket_address
    assert config.clusters[0].name == config.clusters[0].load_assignment.cluster_name
    assert address.port_value == config.listeners[0].address.socket_address.port_value
    given["static_resources"]["clusters"][0]["lb_polic"] = "RANDOM"
    with pytest.raises(ParseError):
        ParseDict(given, Bootstrap())
