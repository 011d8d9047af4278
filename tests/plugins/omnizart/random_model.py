"""Omnizart's own graph with random numbers in it: ``python random_model.py SAVED_MODEL.pb FOLDER``, with TensorFlow.

Every variable of the graph gets values as its training would have begun with; the checkpoint is one that TensorFlow's
own loader reads.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph


def write(graph: Path, folder: Path, seed: int = 440) -> None:
    rng = np.random.default_rng(seed)
    nodes = SavedModel.FromString(graph.read_bytes()).meta_graphs[0].object_graph_def.nodes
    tracked, names, values = TrackableObjectGraph(), [], []
    for number, node in enumerate(nodes):
        made = tracked.nodes.add()
        for child in node.children:
            made.children.add(node_id=child.node_id, local_name=child.local_name)
        if node.WhichOneof("kind") == "variable":
            key = f"{number}/.ATTRIBUTES/VARIABLE_VALUE"
            made.attributes.add(name="VARIABLE_VALUE", full_name=node.variable.name, checkpoint_key=key)
            names.append(key)
            values.append(initial(rng, node.variable))
    (folder / "variables").mkdir(parents=True)
    shutil.copyfile(graph, folder / "saved_model.pb")
    tf.raw_ops.SaveV2(
        prefix=str(folder / "variables" / "variables"),
        tensor_names=[*names, "_CHECKPOINTABLE_OBJECT_GRAPH"],
        shape_and_slices=[""] * (len(names) + 1),
        tensors=[*values, tf.constant(tracked.SerializeToString())],
    )


def initial(rng: np.random.Generator, variable) -> tf.Tensor:
    shape = [dim.size for dim in variable.shape.dim]
    if variable.name.endswith("gamma") or not shape:
        return tf.ones(shape, variable.dtype)
    scale = np.sqrt(6 / (shape[0] + shape[-1])) if len(shape) > 1 else 0.5
    return tf.constant(rng.uniform(-scale, scale, shape), variable.dtype)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
