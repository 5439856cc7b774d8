"""An inspection for the eye: in the terminal, as a page, as an image."""
