"""A fitted UMAP as arrays: neighbours, memberships and layout, row by row, the same bits in any batch."""
