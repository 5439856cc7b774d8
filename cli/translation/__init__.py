"""Work of `tformer translate`: lines, documents, folders and datasets, and what is told of them."""
