"""The live page: shows a run or a sweep in progress, served to browsers on this machine only."""
