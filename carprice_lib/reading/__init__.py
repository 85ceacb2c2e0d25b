"Any file with a table, whatever its format, encoding and dialect, in bounded time and memory."
