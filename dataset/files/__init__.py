"""Files of datasets: their rows in blocks, and the same rows with translations."""
