"""Media: files that members attach, from upload to safe delivery."""
