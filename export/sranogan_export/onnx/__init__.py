"""The device's graphs as ONNX."""
