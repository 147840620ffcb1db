"""How work is done, whatever the work is: threads and processes, progress, memory, files."""
