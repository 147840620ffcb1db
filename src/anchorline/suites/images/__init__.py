"""Images: from files in folders and archives to pixels of one size."""
