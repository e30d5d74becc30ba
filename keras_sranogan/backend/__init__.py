"""What differs between the backends of Keras that training runs on; everything else is ``keras.ops``."""
