"""ONNX graphs run by torch. Importing anything here but graph_file needs torch: only torch_session does, when asked."""
