"""Labels through the API, with every runtime and precision."""

from pathlib import Path

import uvloop

from benchmarks.client import label_all, predictions
from benchmarks.photos import load_photos
from benchmarks.report import Row, at_least
from benchmarks.service import running_service

WAYS = (("torch", "f32"), ("torch", "bf16"), ("openvino", "f32"), ("openvino", "bf16"))
AGREEMENT = {("openvino", "f32"): 0.995, ("openvino", "bf16"): 0.98}


def measure(data_dir: Path) -> list[Row]:
    """Return top-1 and the agreement with torch in f32."""
    photos = load_photos()
    rows: list[Row] = []
    reference: list[str] = []
    for runtime, precision in WAYS:
        flags = ["--runtime", runtime, "--precision", precision]
        with running_service(flags, data_dir=data_dir) as service:
            labels = predictions(uvloop.run(label_all(service.url, photos)))
        reference = reference or labels
        name = f"{runtime} {precision}"
        known = [(p.label, label) for p, label in zip(photos, labels, strict=True) if p.label]
        if not known:
            rows.append(Row(f"{name}: top-1", "not measured", "no labels"))
        else:
            top1 = sum(label == true for true, label in known) / len(known)
            rows.append(at_least(f"{name}: top-1 over {len(known)} photos", top1, 0.875))
        agreement = sum(a == b for a, b in zip(reference, labels, strict=True)) / len(labels)
        target = AGREEMENT.get((runtime, precision))
        if target is not None:
            rows.append(at_least(f"{name}: same label as torch f32", agreement, target))
        elif labels is not reference:
            rows.append(Row(f"{name}: same label as torch f32", f"{agreement:.3f}"))
    return rows
