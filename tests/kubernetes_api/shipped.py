"""The manifests of the product, as ``kubectl apply -f`` would send them."""

from pathlib import Path
from typing import Final

import yaml

from tests.kubernetes_api.kinds import Document

_FOLDER: Final = Path(__file__).resolve().parents[2] / "k8s"


def shipped(name: str) -> list[Document]:
    """Return the objects of one of the plain manifests in ``k8s/``, such as ``dispatcher.yaml``."""
    documents = yaml.safe_load_all((_FOLDER / name).read_text())
    return [document for document in documents if document is not None]
