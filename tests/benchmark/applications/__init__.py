"""``python -m tests.benchmark.applications``: tiled Cholesky and matmul, and a stencil, beside OpenMP and NumPy.

Callring's chips, OpenMP and a plain loop without any runtime execute the same kernels, compiled with the same flags, on
pieces with the same strides. The plain loop is the pure kernel time: what is more is the runtime's.
"""
