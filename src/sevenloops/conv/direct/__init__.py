"""direct on the backend "jit": from a layer's geometry to what `sevenloops.jit.planning` cuts into tiles."""
