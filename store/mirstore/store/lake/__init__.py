"""What is on the disk: the catalogue, tables, tensors and commits; what is hidden, erased and collected."""
