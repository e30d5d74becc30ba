"""Fine-tuning for int8, by Keras or tensorflow-model-optimization."""
