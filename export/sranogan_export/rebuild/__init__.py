"""The networks from plain operators, as graphs of TFLite."""
