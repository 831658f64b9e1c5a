"""Small super-resolution networks, written to files as real ones are."""

from pathlib import Path
from typing import Any

import numpy as np

from step_app.openvino_import import import_openvino


def save_nearest(path: Path, *, channels: int = 3, scale: int = 2, factor: float = 1.0) -> str:
    """Write a network that repeats each pixel, ``factor`` times as bright; return its path.

    A convolution makes the pixels of each block, and its channels are then laid out in space: the
    end of an ESPCN.
    """
    openvino = import_openvino()
    ops = openvino.opset13
    weights = np.tile(np.eye(channels, dtype=np.float32), (scale * scale, 1)) * np.float32(factor)
    entry = ops.parameter([1, channels, -1, -1], np.float32)
    blocks = ops.convolution(entry, weights[:, :, None, None], [1, 1], [0, 0], [0, 0], [1, 1])
    return _save(ops.depth_to_space(blocks, "blocks_first", scale), entry, path)


def save_fixed_size(path: Path) -> str:
    """Write a network of twice the size that was exported for pictures of 32 x 24."""
    ops = import_openvino().opset13
    entry = ops.parameter([1, 3, 24, 32], np.float32)
    copies = ops.concat([entry] * 4, 1)
    return _save(ops.depth_to_space(copies, "blocks_first", 2), entry, path)


def save_logarithm(path: Path) -> str:
    """Write a network of twice the size that gives minus infinity for black."""
    ops = import_openvino().opset13
    entry = ops.parameter([1, 3, -1, -1], np.float32)
    copies = ops.concat([ops.log(entry)] * 4, 1)
    return _save(ops.depth_to_space(copies, "blocks_first", 2), entry, path)


def save_classifier(path: Path) -> str:
    """Write a network that takes pictures and gives no picture."""
    ops = import_openvino().opset13
    entry = ops.parameter([1, 3, -1, -1], np.float32)
    return _save(ops.reduce_mean(entry, np.array([2, 3]), keep_dims=False), entry, path)


def _save(result: Any, entry: Any, path: Path) -> str:
    openvino = import_openvino()
    openvino.save_model(openvino.Model([result], [entry]), path, compress_to_fp16=False)
    return str(path)


def save_onnx_nearest(path: Path) -> str:
    """Write an ONNX file by hand: twice the size, four copies laid out in space."""
    concat = _node("Concat", [b"x"] * 4, b"copies", [_int_attribute(b"axis", 1)])
    spread = _node("DepthToSpace", [b"copies"], b"y", [_int_attribute(b"blocksize", 2)])
    graph = (
        _field(1, concat)
        + _field(1, spread)
        + _field(2, b"nearest")
        + _field(11, _value_info(b"x"))
        + _field(12, _value_info(b"y"))
    )
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, _number(2, 13)))
    return str(path)


def _node(kind: str, inputs: list[bytes], output: bytes, attributes: list[bytes]) -> bytes:
    parts = [_field(1, name) for name in inputs]
    parts += [_field(2, output), _field(4, kind.encode())]
    return b"".join(parts + [_field(5, attribute) for attribute in attributes])


def _int_attribute(name: bytes, value: int) -> bytes:
    return _field(1, name) + _number(3, value) + _number(20, 2)


def _value_info(name: bytes) -> bytes:
    """Describe floats of shape (1, 3, height, width), whose sides have names."""
    sides = (_number(1, 1), _number(1, 3), _field(2, b"h" + name), _field(2, b"w" + name))
    shape = b"".join(_field(1, side) for side in sides)
    return _field(1, name) + _field(2, _field(1, _number(1, 1) + _field(2, shape)))


def _field(number: int, value: bytes) -> bytes:
    """Encode a protobuf field that has a length."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _number(number: int, value: int) -> bytes:
    """Encode a protobuf field that is a number."""
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
