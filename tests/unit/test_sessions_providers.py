"""What ONNX Runtime is asked for on a GPU, decided without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamer.errors import ConfigError
from streamer.sessions import nvidia
from streamer.sessions.engines import cache_root, engine_folder
from streamer.sessions.providers import NAMES, Wanted, device_number, provider_options, refuse_halves

# As onnxruntime.ai/docs/execution-providers has them (CUDA-ExecutionProvider, TensorRT-ExecutionProvider).
CUDA_OPTIONS = {
    "device_id", "gpu_mem_limit", "arena_extend_strategy", "cudnn_conv_algo_search", "do_copy_in_default_stream",
    "cudnn_conv_use_max_workspace", "cudnn_conv1d_pad_to_nc1d", "enable_cuda_graph", "prefer_nhwc", "use_tf32",
}  # fmt: skip
TENSORRT_OPTIONS = {
    "device_id", "trt_max_workspace_size", "trt_fp16_enable", "trt_engine_cache_enable", "trt_engine_cache_path",
    "trt_timing_cache_enable", "trt_timing_cache_path", "trt_cuda_graph_enable", "trt_profile_min_shapes",
    "trt_profile_opt_shapes", "trt_profile_max_shapes", "trt_builder_optimization_level",
}  # fmt: skip


def test_each_provider_comes_first_and_the_cpu_takes_what_is_left():
    for provider, names in NAMES.items():
        options = provider_options(provider, Wanted())
        assert [name for name, _ in options] == list(names)
        assert options[-1] == ("CPUExecutionProvider", {})


def test_only_options_that_onnx_runtime_documents_are_sent_and_all_as_text():
    wanted = Wanted(engines=Path("/engines"), profile=("images", (1, 3, 8, 8), (8, 3, 8, 8)), precision="fp16")
    (_, tensorrt), (_, cuda), _ = provider_options("tensorrt", wanted)
    assert set(cuda) <= CUDA_OPTIONS
    assert set(tensorrt) <= TENSORRT_OPTIONS
    assert all(isinstance(value, str) for value in (*cuda.values(), *tensorrt.values()))


def test_launches_are_recorded_by_one_provider_only():
    [(_, cuda), _] = provider_options("cuda", Wanted(device=1))
    assert cuda["enable_cuda_graph"] == "1"
    assert cuda["device_id"] == "1"
    (_, tensorrt), (_, beside), _ = provider_options("tensorrt", Wanted(device=1))
    assert (tensorrt["trt_cuda_graph_enable"], beside["enable_cuda_graph"]) == ("1", "0")
    assert tensorrt["device_id"] == beside["device_id"] == "1"
    [(_, cuda), _] = provider_options("cuda", Wanted(recorded=False))
    assert cuda["enable_cuda_graph"] == "0"


def test_tensorrt_builds_once_for_all_batches_and_keeps_what_it_built():
    wanted = Wanted(engines=Path("/engines"), profile=("images", (1, 288, 384, 3), (8, 288, 384, 3)))
    tensorrt = provider_options("tensorrt", wanted)[0][1]
    assert tensorrt["trt_profile_min_shapes"] == "images:1x288x384x3"
    assert tensorrt["trt_profile_max_shapes"] == tensorrt["trt_profile_opt_shapes"] == "images:8x288x384x3"
    assert tensorrt["trt_engine_cache_path"] == tensorrt["trt_timing_cache_path"] == "/engines"
    assert tensorrt["trt_fp16_enable"] == "0"
    assert "trt_engine_cache_path" not in provider_options("tensorrt", Wanted())[0][1]


@pytest.mark.parametrize(("said", "number"), [(None, 0), (0, 0), (2, 2), ("cuda", 0), ("cuda:3", 3)])
def test_a_gpu_is_named_by_its_number(said, number):
    assert device_number("cuda", said) == number


@pytest.mark.parametrize("said", ["cpu", -1, "cuda:x", "gpu"])
def test_what_is_no_gpu_is_refused_in_one_sentence(said):
    with pytest.raises(ConfigError, match=r"model\.device: the provider 'cuda' takes the number of a GPU"):
        device_number("cuda", said)


def test_half_precision_is_never_promised_where_the_graph_decides():
    with pytest.raises(ConfigError, match=r"model\.precision.*which is fp32.*python -m export fp16"):
        refuse_halves("cuda", "fp16", "fp32")
    refuse_halves("cuda", "fp16", "fp16")
    refuse_halves("tensorrt", "fp16", "fp32")
    refuse_halves("cpu", "as_exported", "fp32")


ENGINE = {"model_sha256": "ab" * 32, "gpu": "NVIDIA L4", "tensorrt": "101300", "precision": "fp32"}


@pytest.mark.parametrize("change", [{"model_sha256": "cd" * 32}, {"gpu": "NVIDIA T4"}, {"tensorrt": "101000"},
                                    {"precision": "fp16"}])  # fmt: skip
def test_engines_of_other_models_cards_and_versions_lie_apart(change):
    assert engine_folder(Path("/c"), **ENGINE) != engine_folder(Path("/c"), **{**ENGINE, **change})


def test_an_engines_folder_can_be_read_by_a_person():
    assert engine_folder(Path("/c"), **ENGINE) == Path("/c/abababababababab/nvidia_l4-trt101300-fp32")
    assert engine_folder(Path("/c"), **{**ENGINE, "gpu": "../.."}).parent == Path("/c/abababababababab")


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"XDG_CACHE_HOME": "/var/cache/me", "HOME": "/home/me"}, "/var/cache/me/streamer/engines"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/me"}, "/home/me/.cache/streamer/engines"),
        ({"HOME": "/home/me"}, "/home/me/.cache/streamer/engines"),
    ],
)
def test_engines_lie_in_the_users_cache(environment, root):
    assert cache_root(environment) == Path(root)


@pytest.mark.skipif(nvidia.gpu_count() > 0, reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_asked_in_vain_and_nothing_breaks():
    assert nvidia.gpu_name(0) is None
    assert not nvidia.lock_pages(np.zeros(4096, np.uint8))
    nvidia.wait_for_default_stream()
