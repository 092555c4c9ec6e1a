"""The files of example_app for containers, and what their engines make of them: rooms with mounts and variables."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.containers.images import Image
from tests.containers.rooms import Mount, Room
from tests.e2e.processes import ROOT

EXAMPLE = ROOT / "example_app"
DOCKERFILE = EXAMPLE / "Dockerfile"
IGNORED = EXAMPLE / "Dockerfile.dockerignore"
COMPOSE = EXAMPLE / "compose.yaml"
COMPOSE_FLEET = EXAMPLE / "compose.fleet.yaml"
KUBERNETES = EXAMPLE / "kubernetes"

PORT = "8000"
"""On which the image listens."""


def documents(name: str) -> list[dict[str, Any]]:
    """Return the objects of a file for Kubernetes."""
    return list(yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8")))


def kind(name: str, wanted: str) -> dict[str, Any]:
    """Return the one object of a kind."""
    (found,) = (one for one in documents(name) if one["kind"] == wanted)
    return found


def compose(*, fleet: bool = False) -> dict[str, Any]:
    """Return the compose file; for a fleet, with what the other file adds."""
    found, more = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (COMPOSE, COMPOSE_FLEET))
    assert isinstance(found, dict)
    return _merged(found, more) if fleet else found


def _merged(one: Any, other: Any) -> Any:
    """Return two values as compose merges those that these files have; commands would replace each other."""
    if isinstance(one, dict):
        assert not {"command", "entrypoint", "healthcheck"} & one.keys() & other.keys()
        return {**one, **{key: _merged(one[key], value) if key in one else value for key, value in other.items()}}
    return [*one, *other] if isinstance(one, list) else other


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the compose file, as its engine runs it."""

    room: Room
    argv: tuple[str, ...]
    healthcheck: tuple[str, ...]


def service(name: str, image: Image, volumes: Path, *more: str, fleet: bool = False) -> Service:
    """Return a service; named volumes are folders of root, as they are when they are new.

    Args:
        name: of the service.
        image: that it runs.
        volumes: the folder of the volumes.
        more: arguments after those of the file, as of ``docker compose run``.
        fleet: with what the other file adds.
    """
    found = compose(fleet=fleet)["services"][name]
    argv = [str(one).replace("$$", "$") for one in (*found.get("entrypoint", ()), *found.get("command", ()), *more)]
    mounts = [Mount("tmpfs", target, writable=True) for target in found.get("tmpfs", ())]
    for entry in found.get("volumes", ()):
        volume, target, *options = entry.split(":")
        (volumes / volume).mkdir(mode=0o755, parents=True, exist_ok=True)
        mounts.append(Mount(volumes / volume, target, writable=options != ["ro"]))
    user = found.get("user", image.user)
    room = replace(image, user=user).room(*mounts, read_only=found.get("read_only", False))
    _, *check = found.get("healthcheck", {}).get("test", ("NONE",))
    return Service(
        room=replace(room, environ={**room.environ, **found.get("environment", {})}),
        argv=tuple(argv) or image.command,
        healthcheck=tuple(check),
    )


def pod(image: Image, folder: Path, files: dict[str, dict[str, bytes]], environ: dict[str, str]) -> Room:
    """Return the container of the Deployment, as a kubelet makes it.

    Args:
        image: that it runs.
        folder: for its volumes.
        files: the content of each ConfigMap and Secret that the manifest leaves to the operator.
        environ: other values than those of the ConfigMap.
    """
    spec = kind("application.yaml", "Deployment")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    user, volumes = spec["securityContext"], {one["name"]: one for one in spec["volumes"]}
    mounts = []
    for mount in container["volumeMounts"]:
        volume, place = volumes[mount["name"]], folder / mount["name"]
        if "emptyDir" in volume:
            place.mkdir()
            os.chown(place, 0, user["fsGroup"])
            place.chmod(0o2777)  # as kubelets make it
        else:
            source = volume.get("configMap", {}).get("name") or volume["secret"]["secretName"]
            mode = volume.get("secret", {}).get("defaultMode", 0o644)
            content = files.get(source, {}) if volume.get("secret", {}).get("optional") else files[source]
            publish(place, content, mode=mode, group=user["fsGroup"])
        mounts.append(Mount(place, mount["mountPath"], writable=not mount.get("readOnly", False)))
    variables = {**kind("application.yaml", "ConfigMap")["data"], **environ}
    room = image.room(*mounts, read_only=container["securityContext"]["readOnlyRootFilesystem"])
    return replace(
        room,
        environ={**room.environ, "HOME": "/", **variables},
        uid=user["runAsUser"],
        gid=user["runAsGroup"],
        groups=(user["fsGroup"],),
    )


def publish(place: Path, files: dict[str, bytes], *, mode: int = 0o644, group: int = 0) -> None:
    """Write a ConfigMap or a Secret as kubelets do: a new folder, and one link that leads to it."""
    place.mkdir(exist_ok=True)
    number = sum(1 for one in place.iterdir() if one.name.startswith("..2026"))
    version = place / f"..2026_11_30_12_00_00.{number}"
    version.mkdir()
    for name, content in files.items():
        (version / name).write_bytes(content)
        (version / name).chmod(mode)
        os.chown(version / name, 0, group)
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    (place / "..data_tmp").symlink_to(version.name)
    (place / "..data_tmp").rename(place / "..data")
