"""The trained net as weights to go on from: fine-tuning on other pictures, or a longer run.

Half precision is enough: the first steps move every weight further than it rounds.
"""

from __future__ import annotations

from pathlib import Path

import torch

from models.detector.network import DetectorNet

WEIGHTS_FILE = "weights.pt"


def save_weights(net: DetectorNet, path: Path) -> None:
    """Write the net's state, floats in half precision."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()}
    torch.save(state, path)


def load_weights(path: Path) -> DetectorNet:
    """The net that save_weights wrote. Raises OSError, and ValueError where the file holds something else."""
    net = DetectorNet()
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        net.load_state_dict(
            {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        )
    except OSError:
        raise
    except Exception as error:  # torch.load raises whatever the pickle inside a strange file leads to
        raise ValueError(f"{path}: holds no weights of this net ({type(error).__name__})") from error
    return net
