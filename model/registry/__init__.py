"""Models that are installed, and where others can be had: `installed`, `index`, `download`."""
