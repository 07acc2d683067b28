"""What a person sees while a run goes on, and how a person stops it."""
