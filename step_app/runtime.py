"""What executes a classifier's arithmetic: torch is the reference, OpenVINO is faster on x86.

Every runtime takes the same thing, 8-bit upright RGB crops, and gives the same thing, class
probabilities; normalisation and softmax are part of the network, so that no runtime can differ
in them.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from step_app.openvino_import import import_openvino
from step_app.weights import ModelCard

if TYPE_CHECKING:
    import torch

RuntimeName = Literal["torch", "openvino"]
Precision = Literal["f32", "bf16"]
Pixels = npt.NDArray[np.uint8]
"""Shape (batch, crop, crop, 3), RGB, 0 to 255."""
Probabilities = npt.NDArray[np.float32]
"""Shape (batch, classes), rows sum to 1."""


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """One way to execute a network."""

    runtime: RuntimeName
    precision: Precision


class Runtime(Protocol):
    """A network ready to be executed, by one thread at a time."""

    def infer(self, pixels: Pixels) -> Probabilities:
        """Return the class probabilities of a batch."""
        ...


class TorchRuntime:
    """The reference: torch, on the GPU where there is one."""

    def __init__(
        self, network: "torch.nn.Module", card: ModelCard, *, precision: Precision, threads: int
    ) -> None:
        import torch  # noqa: PLC0415 - other runtimes do without torch

        torch.set_num_threads(threads)
        self._torch = torch
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._dtype = torch.float32 if precision == "f32" else torch.bfloat16
        # Convolutions are faster on channels-last memory, on CPU and GPU alike.
        copied: Any = copy.deepcopy(network)  # Module.to converts in place
        self._network = copied.to(self._device, self._dtype, memory_format=torch.channels_last)
        self._mean = torch.tensor(card.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(card.std, device=self._device).view(1, 3, 1, 1)

    def infer(self, pixels: Pixels) -> Probabilities:
        """Return the class probabilities of a batch."""
        torch = self._torch
        with torch.inference_mode():
            batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2).float()
            logits = self._network(((batch - self._mean) / self._std).to(self._dtype))
            probabilities: Probabilities = torch.softmax(logits.float(), dim=1).cpu().numpy()
        return probabilities


class OpenVinoRuntime:
    """OpenVINO on the CPU; bf16 uses AVX-512 or AMX where the processor has them.

    In bf16 the last layer is computed in f32 all the same: it costs nothing measurable, and scores
    rounded to the 8 bits of bf16 are equal so often that the order of labels is chance.
    """

    def __init__(self, model: Any, *, precision: Precision, threads: int) -> None:
        """Compile a model.

        Args:
            model: an OpenVINO model, or the path of its ``.xml`` file.
            precision: of the arithmetic; weights stay as they were saved.
            threads: how many threads one batch may use.
        """
        core = import_openvino().Core()
        model = core.read_model(model) if isinstance(model, Path) else model.clone()
        parts = [(model, precision)]
        if precision == "bf16":
            kinds: tuple[Precision, ...] = ("bf16", "f32")
            parts = list(zip(_split_head(model), kinds, strict=False))
        self._requests = [
            core.compile_model(part, "CPU", _options(kind, threads)).create_infer_request()
            for part, kind in parts
        ]

    def infer(self, pixels: Pixels) -> Probabilities:
        """Return the class probabilities of a batch."""
        values: Any = pixels
        for request in self._requests:
            request.infer({0: values}, share_inputs=True)
            values = request.get_output_tensor(0).data
        return np.array(values, dtype=np.float32)


def _options(precision: Precision, threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Replicas, dispatcher and clients share the cores; a pinned thread could not move.
        "ENABLE_CPU_PINNING": False,
    }


def _split_head(model: Any) -> list[Any]:
    """Cut a model before its last matrix product; a model without one stays whole."""
    openvino = import_openvino()
    products = [op for op in model.get_ordered_ops() if op.get_type_name() == "MatMul"]
    if not products:
        return [model]
    features = products[-1].input_value(0)
    entry = openvino.opset13.parameter(features.get_partial_shape(), np.float32)
    products[-1].input(0).replace_source_output(entry.output(0))
    head = openvino.Model(model.get_results(), [entry], "head")
    body = openvino.Model([openvino.opset13.result(features)], model.get_parameters(), "body")
    return [body, head]


def convert_to_openvino(network: "torch.nn.Module", card: ModelCard) -> Any:
    """Return the network as an OpenVINO model that takes any batch size."""
    openvino = import_openvino()
    import torch  # noqa: PLC0415

    class Normalised(torch.nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.network = network
            self.register_buffer("mean", torch.tensor(card.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(card.std).view(1, 3, 1, 1))

        def forward(self, pixels: "torch.Tensor") -> "torch.Tensor":
            batch = pixels.permute(0, 3, 1, 2).float()
            logits = self.network((batch - self.mean) / self.std)
            return torch.softmax(logits, dim=1)

    example = torch.zeros(2, card.crop, card.crop, 3, dtype=torch.uint8)
    with torch.inference_mode():
        model = openvino.convert_model(Normalised().eval(), example_input=example)
    model.reshape([-1, card.crop, card.crop, 3])
    return model


def processor_has_bf16() -> bool:
    """Say whether this processor computes in bf16 by itself."""
    openvino = import_openvino()

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "BF16" in capabilities
