"""OpenVINO as a contestant: an inference engine, so forward passes only, its weights packed beforehand."""

import os
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.networks import NETWORKS
from sevenloops.bench.serving import Prepared, Refused, serve

__all__ = ["OpenVino"]


class OpenVino:
    """What prepares calls of OpenVINO's CPU plugin: float32 throughout, for the latency of one request."""

    def __init__(self) -> None:
        import openvino

        self._library = openvino
        self._core = openvino.Core()
        self._threads = int(os.environ.get("SEVENLOOPS_NUM_THREADS", "0"))

    def introduce(self) -> dict[str, Any]:
        """Return version and number of threads."""
        return {"version": self._library.__version__.partition("-")[0], "threads": self._threads}

    def prepare(self, task: dict[str, Any], variant: str) -> Prepared:
        """Return the call for a task: an inference request on an array of NumPy's."""
        if task["kind"] == "infer":
            return self._network(task["network"], task["n"])
        if task["kind"] == "conv" and task["pass"] == "forward":
            layer = ConvLayer.from_json(task["layer"])
            x, weight, _ = layer.arrays()
            return self._compiled(self._convolution(layer, weight), x)
        raise Refused("it only runs networks forward")

    def _convolution(self, layer: ConvLayer, weight: Array) -> Any:
        """Return a model of one convolution, its weight a constant."""
        from openvino import opset8 as operations

        x = operations.parameter(layer.x_shape, np.float32, name="x")
        rest = (list(layer.stride), list(layer.padding), list(layer.padding), [1, 1])
        if layer.groups == 1:
            y = operations.convolution(x, operations.constant(weight), *rest)
        else:  # the groups are an axis of their own
            outer = layer.o // layer.groups
            split = weight.reshape(layer.groups, outer, layer.c // layer.groups, *layer.kernel)
            y = operations.group_convolution(x, operations.constant(split), *rest)
        return self._library.Model([y], [x], "convolution")

    def _network(self, name: str, n: int) -> Prepared:
        try:
            from sevenloops.bench.contestants.onnx_models import network_model

            images, _ = NETWORKS[name].images(n)
            model = self._core.read_model(network_model(NETWORKS[name].build(), images.shape))
        except ImportError:
            raise Refused("networks are handed over as ONNX models, and onnx is not installed") from None
        return self._compiled(model, images)

    def _compiled(self, model: Any, x: Array) -> Prepared:
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if self._threads:
            settings["INFERENCE_NUM_THREADS"] = str(self._threads)
        request = self._core.compile_model(model, "CPU", settings).create_infer_request()

        def call() -> None:
            request.infer({0: x}, share_inputs=True, share_outputs=True)  # no copies

        def results() -> list[Array]:
            call()
            return [np.array(request.get_output_tensor(0).data)]

        return Prepared(call, results, {"packed": True})


if __name__ == "__main__":
    serve(OpenVino)
