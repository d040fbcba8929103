"""What segmentation jobs found in images: masks, counts, and pictures of them."""
