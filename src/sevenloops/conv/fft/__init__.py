"""The parts of the tiled FFT: transforms, the plan of the tiles, and its choice."""
