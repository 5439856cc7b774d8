"""Resumable jobs: journal, manifest and tree of files."""
