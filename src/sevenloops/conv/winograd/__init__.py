"""The parts of Winograd's algorithm: exact transforms, their application, the tiling, the plan and its choice."""
