"""The mathematics: kernels, links and soft targets, of a namespace and arrays handed in."""
