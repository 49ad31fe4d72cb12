"""Models for other programs: ONNX and OpenVINO files that are compared with the run before they are written."""
