"""Which objects a spec, a checkpoint or a volume consists of: manifests, opened and checked."""

from collections.abc import Mapping
from functools import lru_cache

from lilong.foundation.objects.public import open_object
from lilong.foundation.runs.models import Attempt
from lilong.protocol.manifest import Manifest, ManifestInvalid, parse_manifest
from lilong.protocol.spec import RunSpec

MANIFEST_BYTES_MAX = 16 * 1024 * 1024
MANIFESTS_REMEMBERED = 64


def read_manifest(*, organisation_id: str, sha256: str) -> Manifest:
    """Return a manifest that the organisation holds; raises ObjectMissing and ManifestInvalid."""
    reader = open_object(organisation_id=organisation_id, sha256=sha256, end=MANIFEST_BYTES_MAX)
    content = b"".join(reader.chunks)
    if reader.size_bytes > MANIFEST_BYTES_MAX:
        raise ManifestInvalid(facts={"limit": MANIFEST_BYTES_MAX, "size_bytes": reader.size_bytes})
    return parse_manifest(content)


@lru_cache(maxsize=MANIFESTS_REMEMBERED)
def list_contents(*, organisation_id: str, sha256: str) -> frozenset[str]:
    """Return the digests of a manifest and its files. Remembered: the bytes of a digest never change."""
    manifest = read_manifest(organisation_id=organisation_id, sha256=sha256)
    return frozenset({sha256, *(file.sha256 for file in manifest.files)})


def list_needs(*, organisation_id: str, spec: RunSpec, volumes: Mapping[str, str]) -> frozenset[str]:
    """Return all objects that a run of `spec` reads; raises ObjectMissing for a manifest that is not there."""
    single = frozenset(item.object_sha256 for item in spec.inputs if item.object_sha256)
    manifests = [sha256 for sha256 in (spec.workdir_sha256, *volumes.values()) if sha256]
    return single.union(*(list_contents(organisation_id=organisation_id, sha256=sha256) for sha256 in manifests))


def is_readable(*, attempt: Attempt, sha256: str) -> bool:
    """Return whether the agent may read an object for an attempt: an input, or of the checkpoint it starts from."""
    run = attempt.run
    spec = RunSpec.model_validate(run.spec)
    manifests = [spec.workdir_sha256, *run.volumes.values(), attempt.start_checkpoint_sha256]
    return any(item.object_sha256 == sha256 for item in spec.inputs) or any(
        sha256 in list_contents(organisation_id=run.organisation_id, sha256=manifest)
        for manifest in filter(None, manifests)
    )
