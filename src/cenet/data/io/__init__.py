"""Files of images in and out: decoding without loss, reading by purpose, writing whole or not at all."""
