"From any file of listings to clean, split rows, every row accounted for."
