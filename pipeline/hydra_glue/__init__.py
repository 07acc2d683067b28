"""Everything that touches parts of Hydra that are not its public interface."""
