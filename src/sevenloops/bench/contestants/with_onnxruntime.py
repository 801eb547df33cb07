"""ONNX Runtime as a contestant: an inference engine, so forward passes only, its weights packed beforehand."""

import os
from typing import Any

import numpy as np

from sevenloops.arrays import Array
from sevenloops.bench.contestants.onnx_models import convolution_model, network_model
from sevenloops.bench.layers import ConvLayer
from sevenloops.bench.networks import NETWORKS
from sevenloops.bench.serving import Prepared, Refused, serve

__all__ = ["OnnxRuntime"]


class OnnxRuntime:
    """What prepares calls of ONNX Runtime on its CPU provider."""

    def __init__(self) -> None:
        import onnx  # noqa: F401  (models are built with it; better missing now than later)
        import onnxruntime

        self._library = onnxruntime
        self._threads = int(os.environ.get("SEVENLOOPS_NUM_THREADS", "0"))

    def introduce(self) -> dict[str, Any]:
        """Return version and number of threads."""
        return {"version": self._library.__version__, "threads": self._threads}

    def prepare(self, task: dict[str, Any], variant: str) -> Prepared:
        """Return the call for a task: a session's run on an array of NumPy's."""
        if task["kind"] == "infer":
            images, _ = NETWORKS[task["network"]].images(task["n"])
            return self._session(network_model(NETWORKS[task["network"]].build(), images.shape), images)
        if task["kind"] == "conv" and task["pass"] == "forward":
            layer = ConvLayer.from_json(task["layer"])
            x, weight, _ = layer.arrays()
            return self._session(convolution_model(layer, weight), x)
        raise Refused("it only runs networks forward")

    def _session(self, model: bytes, x: Array) -> Prepared:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = self._library.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = self._library.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: x}

        def call() -> Array:
            result: Array = session.run(None, feed)[0]
            return result

        return Prepared(call, lambda: [np.asarray(call())], {"packed": True})


if __name__ == "__main__":
    serve(OnnxRuntime)
