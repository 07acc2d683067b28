"""The programs that workloads run: each module is one program, with its settings beside it."""
