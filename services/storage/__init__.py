"""Objects under keys made from their content: folder, memory or any cloud store."""
