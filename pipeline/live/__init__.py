"""The live page: shows a run or a sweep while it goes on, served to browsers on this machine only."""
