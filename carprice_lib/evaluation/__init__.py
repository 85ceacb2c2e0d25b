"Errors, coverage and slices; champion against challenger."
