"""``make sbom``: what is in each image, as CycloneDX, from the lock that the image is installed from.

Licences are those that the packages declare, as far as they are installed here in the locked version.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

sys.path.insert(0, str(Path(__file__).resolve().parent))
from locks import IMAGES, ROOT, Locked, packages_of

FOLDER: Final = ROOT / "build" / "sbom"
CUDA: Final = (
    "The CUDA libraries are not listed: they come with torch, which pins them, and are not in the lock. "
    "Scan the image itself for those."
)
# A longer one is the whole text of a licence, not its name.
_LONGEST_NAME: Final = 160


def main() -> int:
    """Write one file per image."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        path = FOLDER / f"{image}.cdx.json"
        path.write_text(document_of(image), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(contents_of(image))} packages")
    return 0


def contents_of(image: str) -> list[Locked]:
    """Tell the packages of an image; torch, which comes from an index of its own, has no hash."""
    return [package for filename in IMAGES[image] for package in packages_of(filename)]


def document_of(image: str) -> str:
    """Return the list of an image as CycloneDX 1.6; the same lock gives the same list."""
    bom = Bom(components=[_component(package) for package in contents_of(image)])
    subject = Component(name=f"karyobridge/{image}", type=ComponentType.CONTAINER, bom_ref=image)
    if image == "worker-gpu":
        subject.properties.add(Property(name="karyobridge:incomplete", value=CUDA))
    bom.metadata.component = subject
    bom.register_dependency(subject, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def licence_of(package: Locked) -> str | None:
    """Tell what a package declares; None if it is not installed here in this version, or is silent."""
    try:
        told = importlib.metadata.metadata(package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    if told["Version"].partition("+")[0] != package.version:
        return None
    trove = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if "License ::" in line]
    short = (told["License"] or "").strip().partition("\n")[0]
    candidates = [told["License-Expression"], " / ".join(trove), short]
    return next((one for one in candidates if one and one != "UNKNOWN" and len(one) <= _LONGEST_NAME), None)


def _component(package: Locked) -> Component:
    licence = licence_of(package)
    purl = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        version=package.version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[] if licence is None else [_licence(licence)],
        external_references=_files(package.name, package.sha256),
    )


def _licence(text: str) -> License:
    factory = LicenseFactory()
    if "/" in text:
        return factory.make_with_name(text)
    return factory.make_from_string(text)


def _files(name: str, hashes: Iterable[str]) -> list[ExternalReference]:
    # One package has a file per platform, and one of them is installed: so the hashes stand at the place
    # that the files come from, and not at the package.
    found = [HashType(alg=HashAlgorithm.SHA_256, content=content) for content in hashes]
    url = XsUri(f"https://pypi.org/simple/{name}/")
    return (
        [ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=url, hashes=found)] if found else []
    )


if __name__ == "__main__":
    raise SystemExit(main())
