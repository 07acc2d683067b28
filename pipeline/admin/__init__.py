"""The maintenance of an installation, without running a workload."""
