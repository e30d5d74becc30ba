"""Stage 1: the GAN, the encoder and the latent search."""
