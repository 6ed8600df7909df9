"""A detector's graph, opened on what it is to run on, and held to its manifest."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.artifacts import Artifact, Manifest
from streamer.detect.leaner import leaner
from streamer.errors import ArtifactError, ConfigError
from streamer.onnx_opset import refuse_other_opset
from streamer.sessions import Device, OnnxSession, Provider, Session, TensorInfo, compare
from streamer.sessions.batch_sizes import GPU_SIZES, BatchSizes
from streamer.sessions.engines import cache_root, engine_folder
from streamer.sessions.nvidia import gpu_name, share_context, tensorrt_version
from streamer.sessions.providers import OnnxProvider, Precision, Wanted, device_number, refuse_halves

_log = logging.getLogger("streamer.detect")


def open_session(
    artifact: Artifact,
    provider: Provider,
    threads: int,
    device: Device = None,
    precision: Precision = "as_exported",
) -> Session:
    """The artifact's graph, opened and held to its manifest. Raises as OnnxSession; a mismatch names both sides."""
    named, manifest = str(artifact.graph_path), artifact.manifest
    graph = artifact.read_graph()
    refuse_other_opset(graph, manifest.opset, named)
    session: Session
    if provider == "torch":
        from streamer.sessions.torch_session import TorchSession

        session = TorchSession(graph, named, threads, device, precision, GPU_SIZES if takes_any(manifest) else ())
    elif provider == "cpu":
        if device not in (None, "cpu"):
            raise ConfigError([f"model.device: the provider 'cpu' runs on the CPU; found {device!r}"])
        refuse_halves(provider, precision, manifest.precision)
        session = OnnxSession(leaner(graph, named), named, provider, threads)
    else:
        session = _on_gpu(graph, named, manifest, provider, threads, device_number(provider, device), precision)
    if problems := differences(session, manifest):
        raise ArtifactError(f"{named}: the graph is not what its manifest says:\n  " + "\n  ".join(problems))
    return session


def takes_any(manifest: Manifest) -> bool:
    """Whether one run may hold any number of pictures."""
    return manifest.input.batch == "any"


def _on_gpu(
    graph: bytes,
    named: str,
    manifest: Manifest,
    provider: OnnxProvider,
    threads: int,
    device: int,
    precision: Precision,
) -> Session:
    refuse_halves(provider, precision, manifest.precision)
    share_context(device)
    sizes = BatchSizes(GPU_SIZES if takes_any(manifest) else ())
    wanted = gpu_wishes(manifest, provider, device, precision, sizes)
    try:
        return OnnxSession(graph, named, provider, threads, wanted, sizes)
    except ArtifactError as error:
        # ONNX Runtime refuses to record a graph of which some nodes stay on the CPU; it still runs, launch by launch.
        unrecorded = Wanted(
            device=device, recorded=False, precision=precision, engines=wanted.engines, profile=wanted.profile
        )
        session = OnnxSession(graph, named, provider, threads, unrecorded, sizes)
        _log.warning("%s: its launches are not recorded (CUDA graphs): %s", named, error)
        return session


def gpu_wishes(
    manifest: Manifest, provider: OnnxProvider, device: int, precision: Precision, sizes: BatchSizes
) -> Wanted:
    """How this model is run on this GPU."""
    if provider != "tensorrt":
        return Wanted(device=device, precision=precision)
    engines = engine_folder(
        cache_root(),
        model_sha256=manifest.sha256,
        gpu=gpu_name(device) or "unknown",
        tensorrt=tensorrt_version() or "unknown",
        precision=precision if precision == "fp16" else manifest.precision,
    )
    picture = manifest.input.picture_shape
    profile = (manifest.input.name, (1, *picture), (sizes.sizes[-1], *picture)) if sizes.sizes else None
    return Wanted(device=device, precision=precision, engines=engines, profile=profile)


def differences(session: Session, manifest: Manifest) -> list[str]:
    """Where graph and manifest disagree, one sentence each, both sides named."""
    spec = manifest.input
    problems = []
    if [each.name for each in session.inputs] != [spec.name]:
        found = ", ".join(f"'{each.name}'" for each in session.inputs)
        problems.append(f"inputs: the manifest expects one, '{spec.name}'; the graph has {found}")
    else:
        problems += compare("input", TensorInfo(spec.name, spec.dtype, spec.shape), session.inputs[0])
    there = {each.name: each for each in session.outputs}
    for output in manifest.outputs:
        if output.name in there:
            problems += compare("output", TensorInfo(output.name, output.dtype, output.shape), there[output.name])
        else:
            names = ", ".join(f"'{name}'" for name in there)
            problems.append(f"outputs: the manifest expects '{output.name}'; the graph has {names}")
    return problems


def as_float32(tensor: NDArray[Any]) -> NDArray[Any]:
    """Floats as float32 (half precision ends at the net's door), integers as they are."""
    return tensor.astype(np.float32, copy=False) if tensor.dtype.kind == "f" else tensor
